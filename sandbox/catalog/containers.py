"""Catalogs and schemas: create, find, list, change, drop."""

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from sandbox.catalog import access, captured, securables, tables, volumes
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.names import checked_name, split_name
from sandbox.errors import InvalidState, PermissionDenied, ResourceAlreadyExists
from sandbox.workspaces.members import Caller

CATALOG, SCHEMA = SecurableType.CATALOG, SecurableType.SCHEMA
RESERVED_CATALOGS = frozenset({"system", "hive_metastore", "samples"})
RESERVED_SCHEMAS = frozenset({"information_schema"})


def create_catalog(caller: Caller, name: str, *, comment: str = "", properties: dict[str, Any] | None = None) -> Securable:
    """A catalog with its schema `default`. For the workspace's admins, who have CREATE CATALOG on the metastore.

    Raises ResourceAlreadyExists, InvalidParameterValue, PermissionDenied.
    """
    key = checked_name(name, "name of a catalog")
    if not caller.is_admin:
        raise PermissionDenied("User does not have CREATE CATALOG on Metastore. An admin of the workspace can create catalogs.")
    if key in RESERVED_CATALOGS or key == caller.workspace.catalog.lower():
        securables.workspace_catalog(caller.workspace)
        raise ResourceAlreadyExists(f"Catalog '{key}' already exists.")
    owner = caller.name
    try:
        with transaction.atomic():
            catalog = Securable.objects.create(
                workspace=caller.workspace,
                securable_type=CATALOG,
                name=key,
                full_name=key,
                owner=owner,
                comment=comment,
                properties=properties or {},
                created_by=owner,
                updated_by=owner,
            )
            securables.add(SCHEMA, f"{key}.{securables.DEFAULT_SCHEMA}", parent=catalog, owner=owner, comment="Default schema")
    except IntegrityError:
        raise ResourceAlreadyExists(f"Catalog '{key}' already exists.") from None
    return catalog


def create_schema(caller: Caller, full_name: str, *, comment: str = "", properties: dict[str, Any] | None = None) -> Securable:
    """Needs CREATE_SCHEMA on the catalog. Raises ResourceAlreadyExists, ResourceDoesNotExist, PermissionDenied."""
    parts = split_name(full_name, 2, "schema")
    catalog = securables.find(caller.workspace, CATALOG, securables.quoted(parts[:1]))
    access.require(caller, catalog, "CREATE_SCHEMA")
    if parts[1] in RESERVED_SCHEMAS:
        raise ResourceAlreadyExists(f"Schema '{'.'.join(parts)}' already exists.")
    return securables.add(SCHEMA, ".".join(parts), parent=catalog, owner=caller.name, comment=comment, properties=properties)


def get_catalog(caller: Caller, name: str) -> Securable:
    """Raises ResourceDoesNotExist, PermissionDenied (nothing on it)."""
    catalog = securables.find(caller.workspace, CATALOG, name)
    access.require_visible(caller, catalog)
    return catalog


def get_schema(caller: Caller, full_name: str) -> Securable:
    """Raises ResourceDoesNotExist, PermissionDenied (nothing on it)."""
    schema = securables.find(caller.workspace, SCHEMA, full_name)
    access.require_visible(caller, schema)
    return schema


def list_catalogs(caller: Caller) -> QuerySet[Securable]:
    """What the caller sees, by name."""
    securables.workspace_catalog(caller.workspace)
    captured.adopt(caller.workspace)
    found = Securable.objects.filter(workspace=caller.workspace, securable_type=CATALOG, parent=None)
    return access.visible(caller, found).order_by("name")


def list_schemas(caller: Caller, catalog_name: str) -> QuerySet[Securable]:
    """What the caller sees in the catalog, by name. Raises ResourceDoesNotExist, PermissionDenied."""
    captured.adopt(caller.workspace)
    catalog = securables.find(caller.workspace, CATALOG, catalog_name)
    access.require(caller, catalog)
    return access.visible(caller, securables.children(catalog, SCHEMA))


def drop_catalog(caller: Caller, name: str, *, force: bool = False) -> None:
    """Needs ownership or MANAGE. A catalog with more than an empty schema `default` is dropped only with `force`.

    Raises ResourceDoesNotExist, PermissionDenied, InvalidState (it has objects, or is the one that the workspace begins with).
    """
    catalog = securables.find(caller.workspace, CATALOG, name)
    access.require(caller, catalog, access.MANAGE)
    if catalog.name == caller.workspace.catalog.lower():
        raise InvalidState(f"Catalog '{catalog.name}' is the one that this workspace begins with; it stays.")
    schemas = list(securables.children(catalog, SCHEMA))
    is_empty = all(schema.name == securables.DEFAULT_SCHEMA and not schema.children.exists() for schema in schemas)
    if not (force or is_empty):
        raise InvalidState(f"Catalog '{catalog.name}' is not empty. The catalog has {len(schemas)} schema(s); drop with force.")
    with transaction.atomic():
        for schema in schemas:
            _drop_contents(schema)
        catalog.delete()


def drop_schema(caller: Caller, full_name: str, *, force: bool = False) -> None:
    """Needs ownership or MANAGE; what lies in it goes too, with `force` only.

    Raises ResourceDoesNotExist, PermissionDenied, InvalidState ("not empty").
    """
    schema = securables.find(caller.workspace, SCHEMA, full_name)
    access.require(caller, schema, access.MANAGE)
    captured.adopt(caller.workspace)
    counts = _count_children(schema)
    if counts and not force:
        raise InvalidState(f"Schema '{schema.full_name}' is not empty. The schema has {counts}; drop it with force (CASCADE).")
    with transaction.atomic():
        _drop_contents(schema)
        schema.delete()


def _count_children(schema: Securable) -> str:
    kinds = ((SecurableType.TABLE, "table"), (SecurableType.VOLUME, "volume"), (SecurableType.FUNCTION, "function"))
    models: Iterable[tuple[SecurableType, str]] = (*kinds, (SecurableType.MODEL, "model"))
    numbers = ((securables.children(schema, kind).count(), word) for kind, word in models)
    return " ".join(f"{number} {word}(s)" for number, word in numbers if number)


def _drop_contents(schema: Securable) -> None:
    """Files go when the transaction around it is certain, so that a drop that fails halfway loses nothing."""
    tables.delete_with_rows(list(securables.children(schema, SecurableType.TABLE).select_related("table")))
    for volume in securables.children(schema, SecurableType.VOLUME):
        volumes.delete_with_files(volume)
