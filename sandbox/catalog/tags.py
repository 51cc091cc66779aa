"""Tags of objects and columns [docs: Apply tags to Unity Catalog securable objects; SDK: EntityTagAssignmentsAPI]."""

from collections.abc import Iterable, Mapping

from django.db import transaction
from django.db.models import QuerySet

from sandbox.catalog import access
from sandbox.catalog.models import Securable, Tag
from sandbox.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces.members import Caller

MAX_TAGS = 50
MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS = 255, 1_000
_FORBIDDEN = frozenset(".,-=/:")


def tags_of(caller: Caller, securable: Securable, column: str = "") -> QuerySet[Tag]:
    """Tags of the object, or of one of its columns, by key. Raises PermissionDenied, ResourceDoesNotExist (column)."""
    access.require_visible(caller, securable)
    return Tag.objects.filter(securable=securable, column=_column(securable, column)).order_by("key")


def set_tags(caller: Caller, securable: Securable, tags: Mapping[str, str], column: str = "") -> None:
    """Add tags and change values. Needs APPLY_TAG or ownership.

    Raises PermissionDenied, ResourceDoesNotExist (column), InvalidParameterValue (key, value, more than 50).
    """
    column = _require(caller, securable, column)
    for key, value in tags.items():
        _check(key, value)
    with transaction.atomic():
        for key, value in tags.items():
            Tag.objects.update_or_create(securable=securable, column=column, key=key, defaults={"value": value})
        if Tag.objects.filter(securable=securable, column=column).count() > MAX_TAGS:
            raise InvalidParameterValue(f"At most {MAX_TAGS} tags can be on one object.")


def unset_tags(caller: Caller, securable: Securable, keys: Iterable[str], column: str = "") -> None:
    """Remove tags; one that is not there is no error. Needs APPLY_TAG or ownership."""
    Tag.objects.filter(securable=securable, column=_require(caller, securable, column), key__in=list(keys)).delete()


def add_tag(caller: Caller, securable: Securable, key: str, value: str, column: str = "") -> Tag:
    """Raises ResourceAlreadyExists when the object has the tag, and as `set_tags`."""
    if tags_of(caller, securable, column).filter(key=key).exists():
        raise ResourceAlreadyExists(f"Tag assignment with key '{key}' already exists on '{securable.full_name}'.")
    set_tags(caller, securable, {key: value}, column)
    return find_tag(caller, securable, key, column)


def find_tag(caller: Caller, securable: Securable, key: str, column: str = "") -> Tag:
    """Raises ResourceDoesNotExist."""
    found = tags_of(caller, securable, column).filter(key=key).first()
    if found is None:
        raise ResourceDoesNotExist(f"Tag assignment with key '{key[:255]}' does not exist on '{securable.full_name}'.")
    return found


def _require(caller: Caller, securable: Securable, column: str) -> str:
    access.require(caller, securable, "APPLY_TAG", access.MANAGE)
    return _column(securable, column)


def _column(securable: Securable, column: str) -> str:
    """The column's name as the table has it."""
    if not column:
        return ""
    columns = securable.table.columns if hasattr(securable, "table") else []
    found = next((each["name"] for each in columns if each["name"].lower() == column.lower()), None)
    if found is None:
        raise ResourceDoesNotExist(f"Column '{column[:255]}' of '{securable.full_name}' does not exist.")
    return str(found)


def _check(key: str, value: str) -> None:
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or _FORBIDDEN & set(key) or key != key.strip():
        raise InvalidParameterValue(
            f"'{key[:100]}' is not a valid tag key: it needs 1 to {MAX_KEY_CHARACTERS} characters, none of . , - = / : and no "
            "spaces at its ends."
        )
    if len(value) > MAX_VALUE_CHARACTERS:
        raise InvalidParameterValue(f"The value of tag '{key}' has more than {MAX_VALUE_CHARACTERS} characters.")
