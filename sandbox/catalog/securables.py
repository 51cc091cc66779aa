"""What all securable objects have in common: find, list, create, change and delete, always within one workspace."""

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from sandbox.catalog.models import Grant, Securable, SecurableType
from sandbox.catalog.names import checked_name, split_name
from sandbox.errors import ApiError, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces.models import Workspace, new_id
from sandbox.workspaces.operations import person

DEFAULT_SCHEMA = "default"
SYSTEM = "system"
"""Owner of what the site made, when the workspace belongs to nobody."""
_LEVELS = {SecurableType.CATALOG: 1, SecurableType.SCHEMA: 2}
_WORDS = {
    SecurableType.CATALOG: "Catalog",
    SecurableType.SCHEMA: "Schema",
    SecurableType.TABLE: "Table",
    SecurableType.VOLUME: "Volume",
    SecurableType.FUNCTION: "Function",
    SecurableType.MODEL: "Registered model",
}
_EVERYONE = ("USE_CATALOG", "USE_SCHEMA", "BROWSE")
_EVERYONE_IN_DEFAULT = ("CREATE_TABLE", "CREATE_VOLUME", "CREATE_FUNCTION", "CREATE_MODEL")


def workspace_catalog(workspace: Workspace) -> Securable:
    """The catalog that each workspace begins with, made on first use together with its schema `default`.

    Everybody of the workspace may use it and create in its default schema [docs: Default user privileges].
    """
    found = Securable.objects.filter(
        workspace=workspace, securable_type=SecurableType.CATALOG, full_name=workspace.catalog.lower()
    ).first()
    return found or _first_catalog(workspace)


def _first_catalog(workspace: Workspace) -> Securable:
    owner = person(workspace.owner) if workspace.owner is not None else SYSTEM
    with transaction.atomic():
        catalog, is_new = Securable.objects.get_or_create(
            workspace=workspace,
            securable_type=SecurableType.CATALOG,
            full_name=workspace.catalog.lower(),
            defaults={"name": workspace.catalog.lower(), "owner": owner, "created_by": owner, "updated_by": owner},
        )
        if is_new:
            schema = add(
                SecurableType.SCHEMA, f"{catalog.name}.{DEFAULT_SCHEMA}", parent=catalog, owner=owner, comment="Default schema"
            )
            Grant.objects.bulk_create(Grant(securable=catalog, principal="users", privilege=each) for each in _EVERYONE)
            Grant.objects.bulk_create(Grant(securable=schema, principal="users", privilege=each) for each in _EVERYONE_IN_DEFAULT)
    return catalog


def ensure_catalog(workspace: Workspace, name: str, owner: str) -> Securable:
    """The catalog, made when it is missing."""
    if name == workspace.catalog.lower():
        return workspace_catalog(workspace)
    found, _ = Securable.objects.get_or_create(
        workspace=workspace,
        securable_type=SecurableType.CATALOG,
        full_name=name,
        defaults={"name": name, "owner": owner, "created_by": owner, "updated_by": owner},
    )
    return found


def ensure_schema(catalog: Securable, name: str, owner: str) -> Securable:
    """The schema, made when it is missing."""
    found = children(catalog, SecurableType.SCHEMA).filter(name=name).first()
    return found or add(SecurableType.SCHEMA, f"{catalog.full_name}.{name}", parent=catalog, owner=owner)


def find(workspace: Workspace, securable_type: SecurableType, full_name: str) -> Securable:
    """The object with this name, in any case; parts may stand in backticks.

    Raises ResourceDoesNotExist, also for another workspace's.
    """
    levels = _LEVELS.get(securable_type, 3)
    try:
        key = ".".join(split_name(full_name, levels))
    except ApiError:
        raise missing(securable_type, full_name) from None
    found = (
        Securable.objects.select_related("parent", "parent__parent", "workspace")
        .filter(workspace=workspace, securable_type=securable_type, full_name=key)
        .first()
    )
    if found is None and levels < 3 and key.split(".")[0] == workspace.catalog.lower():
        return (
            find(workspace, securable_type, full_name)
            if _made_now(workspace, securable_type, key)
            else _missing(securable_type, key)
        )
    return found or _missing(securable_type, key)


def _made_now(workspace: Workspace, securable_type: SecurableType, key: str) -> bool:
    workspace_catalog(workspace)
    return Securable.objects.filter(workspace=workspace, securable_type=securable_type, full_name=key).exists()


def _missing(securable_type: SecurableType, full_name: str) -> Any:
    raise missing(securable_type, full_name)


def missing(securable_type: SecurableType, full_name: str) -> ResourceDoesNotExist:
    """The error for an object that is not there, or that the caller may not know of."""
    return ResourceDoesNotExist(f"{_WORDS[securable_type]} '{full_name[:200]}' does not exist.")


def children(parent: Securable, securable_type: SecurableType) -> QuerySet[Securable]:
    """By name."""
    return Securable.objects.filter(parent=parent, securable_type=securable_type).order_by("name")


def add(
    securable_type: SecurableType,
    full_name: str,
    *,
    parent: Securable,
    owner: str,
    comment: str = "",
    properties: dict[str, Any] | None = None,
    securable_id: str | None = None,
) -> Securable:
    """A new object below `parent`. Raises ResourceAlreadyExists with the words "already exists"."""
    name = checked_name(full_name.rpartition(".")[2])
    key = f"{parent.full_name}.{name}"
    try:
        with transaction.atomic():
            return Securable.objects.create(
                id=securable_id or new_id(),
                workspace=parent.workspace,
                securable_type=securable_type,
                parent=parent,
                name=name,
                full_name=key,
                owner=owner,
                comment=comment,
                properties=properties or {},
                created_by=owner,
                updated_by=owner,
            )
    except IntegrityError:
        raise ResourceAlreadyExists(f"{_WORDS[securable_type]} '{key}' already exists.") from None


def touch(securable: Securable, by: str) -> None:
    """Note who changed the object; saves every field."""
    securable.updated_at = timezone.now()
    securable.updated_by = by
    securable.save()


def rename(securable: Securable, full_name: str, by: str, *, parent: Securable | None = None) -> Securable:
    """Give the object, and all that lies below it, the new full name. Raises ResourceAlreadyExists."""
    kind = SecurableType(securable.securable_type)
    old = securable.full_name
    securable.name, securable.full_name = checked_name(full_name.rpartition(".")[2]), full_name
    if parent is not None:
        securable.parent = parent
    try:
        with transaction.atomic():
            touch(securable, by)
            for below in Securable.objects.filter(workspace=securable.workspace, full_name__startswith=f"{old}."):
                if below.parent_id == securable.id or (below.parent and below.parent.parent_id == securable.id):
                    below.full_name = full_name + below.full_name[len(old) :]
                    below.save(update_fields=["full_name"])
    except IntegrityError:
        raise ResourceAlreadyExists(f"{_WORDS[kind]} '{full_name}' already exists.") from None
    return securable


def quoted(parts: Iterable[str]) -> str:
    """A full name of the parts, in backticks."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)
