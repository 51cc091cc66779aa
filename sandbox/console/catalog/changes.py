"""Every change of an object that its pages make, by kind: comment, owner, tags, properties, deletion."""

from collections.abc import Mapping

from sandbox.catalog import changes as catalog_changes
from sandbox.catalog import containers, functions, table_schema, tables, tags, volumes
from sandbox.catalog.models import SecurableType, Tag
from sandbox.console.catalog.kinds import MODEL
from sandbox.console.catalog.opened import Opened
from sandbox.registry import registered_models

Type = SecurableType


def set_comment(opened: Opened, comment: str) -> None:
    """Raises an ApiError."""
    if opened.kind is MODEL:
        registered_models.update_model(opened.caller, opened.name, comment=comment)
    else:
        catalog_changes.change(opened.caller, opened.row, comment=comment)


def set_owner(opened: Opened, owner: str) -> None:
    """Raises an ApiError."""
    if opened.kind is MODEL:
        registered_models.update_model(opened.caller, opened.name, owner=owner)
    else:
        catalog_changes.change(opened.caller, opened.row, owner=owner)


def set_tags(opened: Opened, wanted: Mapping[str, str]) -> None:
    """Make the tags of the object these. Raises an ApiError."""
    there = dict(Tag.objects.filter(securable=opened.row, column="").values_list("key", "value"))
    gone = [key for key in there if key not in wanted]
    new = {key: value for key, value in wanted.items() if there.get(key) != value}
    if opened.kind is MODEL:
        for key in gone:
            registered_models.delete_tag(opened.caller, opened.name, key)
        for key, value in new.items():
            registered_models.set_tag(opened.caller, opened.name, key, value)
        return
    tags.set_tags(opened.caller, opened.row, new)
    tags.unset_tags(opened.caller, opened.row, gone)


def set_properties(opened: Opened, wanted: Mapping[str, str]) -> None:
    """Make the properties of the table these. Raises an ApiError."""
    there: Mapping[str, str] = opened.row.properties
    gone = [key for key in there if key not in wanted]
    new = {key: value for key, value in wanted.items() if there.get(key) != value}
    if new:
        table_schema.set_properties(opened.caller, opened.name, new)
    if gone:
        table_schema.unset_properties(opened.caller, opened.name, gone, if_exists=True)


def delete(opened: Opened) -> None:
    """The object with all that is in it. Raises an ApiError."""
    name, caller = opened.name, opened.caller
    if opened.kind.type == Type.CATALOG:
        containers.drop_catalog(caller, name, force=True)
    elif opened.kind.type == Type.SCHEMA:
        containers.drop_schema(caller, name, force=True)
    elif opened.kind.type == Type.TABLE:
        tables.drop_table(caller, name)
    elif opened.kind.type == Type.VOLUME:
        volumes.drop_volume(caller, name)
    elif opened.kind.type == Type.FUNCTION:
        functions.drop_function(caller, name)
    else:
        registered_models.delete_model(caller, name)
