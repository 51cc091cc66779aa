"""Rows of `information_schema`: of one catalog, or (in catalog `system`) of all; only what the caller may know of.

Names and types of columns as documented [docs: Information schema reference]; what has no meaning here is null.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from sandbox.catalog import access
from sandbox.catalog.models import Grant, Securable, SecurableType, Tag
from sandbox.workspaces.members import Caller

Row = dict[str, Any]
_STAMPS = "comment string, created timestamp, created_by string, last_altered timestamp, last_altered_by string"
_TABLE = "table_catalog string, table_schema string, table_name string"
_ROUTINE = "specific_catalog string, specific_schema string, specific_name string"
_PRIVILEGE = "privilege_type string, is_grantable string, inherited_from string"


@dataclass(frozen=True)
class View:
    """One view of `information_schema`: its columns as `name type, …`, and its rows; `catalog` None stands for all."""

    columns: str
    rows: Callable[[Caller, str | None], Iterator[Row]]
    comment: str


def _visible(caller: Caller, kind: SecurableType, catalog: str | None) -> QuerySet[Securable]:
    found = Securable.objects.filter(workspace=caller.workspace, securable_type=kind).exclude(name="", parent=None)
    if kind not in (SecurableType.CATALOG, SecurableType.SCHEMA):
        found = found.exclude(parent=None)  # the workspace's own registry is no part of Unity Catalog
    if catalog is not None:
        of_catalog = {"full_name": catalog} if kind == SecurableType.CATALOG else {"full_name__startswith": f"{catalog}."}
        found = found.filter(**of_catalog)
    return access.visible(caller, found).order_by("full_name")


def _named(securable: Securable, *keys: str) -> Row:
    return dict(zip(keys, securable.full_name.split("."), strict=False))


def _stamps(securable: Securable) -> Row:
    return {
        "comment": securable.comment or None,
        "created": securable.created_at,
        "created_by": securable.created_by,
        "last_altered": securable.updated_at,
        "last_altered_by": securable.updated_by,
    }


def _catalogs(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.CATALOG, catalog):
        yield {"catalog_name": each.name, "catalog_owner": each.owner, **_stamps(each)}


def _schemata(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.SCHEMA, catalog):
        yield {**_named(each, "catalog_name", "schema_name"), "schema_owner": each.owner, **_stamps(each)}


def _tables(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.TABLE, catalog).select_related("table"):
        is_view = each.table.table_type == "VIEW"
        yield {
            **_named(each, "table_catalog", "table_schema", "table_name"),
            "table_type": each.table.table_type,
            "is_insertable_into": "NO" if is_view else "YES",
            "commit_action": "PRESERVE",
            "table_owner": each.owner,
            "data_source_format": None if is_view else "DELTA",
            **_stamps(each),
        }


def _views(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.TABLE, catalog).filter(table__table_type="VIEW").select_related("table"):
        names = _named(each, "table_catalog", "table_schema", "table_name")
        yield {**names, "view_definition": each.table.view_definition, "check_option": "NONE", "is_updatable": "NO"}


def _columns(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.TABLE, catalog).select_related("table"):
        for position, column in enumerate(each.table.columns):
            yield {
                **_named(each, "table_catalog", "table_schema", "table_name"),
                "column_name": column["name"],
                "ordinal_position": position,
                "is_nullable": "YES" if column["nullable"] else "NO",
                "full_data_type": column["type_text"],
                "data_type": column["type_name"],
                "is_identity": "NO",
                "comment": column.get("comment") or None,
            }


def _routines(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.FUNCTION, catalog).select_related("function"):
        detail = each.function
        is_external = detail.language != "SQL"
        yield {
            **_named(each, "specific_catalog", "specific_schema", "specific_name"),
            **_named(each, "routine_catalog", "routine_schema", "routine_name"),
            "routine_owner": each.owner,
            "routine_type": "FUNCTION",
            "data_type": detail.return_type_name,
            "full_data_type": detail.return_type_text,
            "routine_body": "EXTERNAL" if is_external else "SQL",
            "routine_definition": detail.definition,
            "external_language": detail.language if is_external else None,
            "is_deterministic": "YES" if detail.is_deterministic else "NO",
            "is_null_call": "NO",
            "security_type": "DEFINER",
            **_stamps(each),
        }


def _parameters(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.FUNCTION, catalog).select_related("function"):
        for position, parameter in enumerate(each.function.parameters):
            yield {
                **_named(each, "specific_catalog", "specific_schema", "specific_name"),
                "ordinal_position": position,
                "parameter_mode": "IN",
                "is_result": "NO",
                "parameter_name": parameter["name"],
                "data_type": parameter["type_name"],
                "full_data_type": parameter["type_text"],
                "parameter_default": parameter.get("default"),
                "comment": parameter.get("comment") or None,
            }


def _keyed(caller: Caller, catalog: str | None) -> Iterator[tuple[Securable, Row]]:
    for each in _visible(caller, SecurableType.TABLE, catalog).exclude(table__primary_key=[]).select_related("table"):
        names = _named(each, "constraint_catalog", "constraint_schema")
        yield (
            each,
            {
                **names,
                "constraint_name": each.table.primary_key_name,
                **_named(each, "table_catalog", "table_schema", "table_name"),
            },
        )


def _table_constraints(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for _, names in _keyed(caller, catalog):
        yield {**names, "constraint_type": "PRIMARY KEY", "is_deferrable": "YES", "initially_deferred": "YES", "enforced": "NO"}


def _key_column_usage(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for table, names in _keyed(caller, catalog):
        for position, column in enumerate(table.table.primary_key, start=1):
            yield {**names, "column_name": column, "ordinal_position": position}


def _volumes(caller: Caller, catalog: str | None) -> Iterator[Row]:
    for each in _visible(caller, SecurableType.VOLUME, catalog):
        names = _named(each, "volume_catalog", "volume_schema", "volume_name")
        yield {**names, "volume_type": "MANAGED", "volume_owner": each.owner, **_stamps(each)}


def _tags(kind: SecurableType, *keys: str, of_columns: bool = False) -> Callable[[Caller, str | None], Iterator[Row]]:
    def rows(caller: Caller, catalog: str | None) -> Iterator[Row]:
        found = Tag.objects.filter(securable__in=_visible(caller, kind, catalog)).select_related("securable")
        found = found.exclude(column="") if of_columns else found.filter(column="")
        for tag in found.order_by("securable__full_name", "column", "key"):
            column = {"column_name": tag.column} if of_columns else {}
            yield {**_named(tag.securable, *keys), **column, "tag_name": tag.key, "tag_value": tag.value}

    return rows


def _privileges(kind: SecurableType, *keys: str) -> Callable[[Caller, str | None], Iterator[Row]]:
    """Of objects that the caller may change, and her own."""

    def rows(caller: Caller, catalog: str | None) -> Iterator[Row]:
        mine = access.principals(caller)
        granted: dict[str, list[Grant]] = {}
        for grant in Grant.objects.filter(securable__workspace=caller.workspace).order_by("principal", "privilege"):
            granted.setdefault(grant.securable_id, []).append(grant)
        for each in _visible(caller, kind, catalog).select_related("parent__parent"):
            chain = access.chain(each)
            sees_all = caller.is_admin or any(link.owner in mine for link in chain)
            for source, grant in ((link, grant) for link in chain for grant in granted.get(link.pk, [])):
                if sees_all or grant.principal in mine:
                    yield {
                        "grantor": source.owner,
                        "grantee": grant.principal,
                        **_named(each, *keys),
                        "privilege_type": grant.privilege,
                        "is_grantable": "NO",
                        "inherited_from": "NONE" if source == each else source.securable_type,
                    }

    return rows


def _privileges_view(word: str, kind: SecurableType, keys: tuple[str, ...]) -> View:
    columns = ", ".join(["grantor string", "grantee string", *(f"{key} string" for key in keys), _PRIVILEGE])
    return View(columns, _privileges(kind, *keys), f"Lists principals that have privileges on a {word}")


_GRANTED = (
    ("catalog", SecurableType.CATALOG, ("catalog_name",)),
    ("schema", SecurableType.SCHEMA, ("catalog_name", "schema_name")),
    ("table", SecurableType.TABLE, ("table_catalog", "table_schema", "table_name")),
    ("routine", SecurableType.FUNCTION, ("specific_catalog", "specific_schema", "specific_name")),
    ("volume", SecurableType.VOLUME, ("volume_catalog", "volume_schema", "volume_name")),
)
_TABLE_KEYS = ("catalog_name", "schema_name", "table_name")
VIEWS: dict[str, View] = {
    "catalogs": View(f"catalog_name string, catalog_owner string, {_STAMPS}", _catalogs, "Describes catalogs"),
    "schemata": View(
        f"catalog_name string, schema_name string, schema_owner string, {_STAMPS}",
        _schemata,
        "Describes schemas",
    ),
    "tables": View(
        f"{_TABLE}, table_type string, is_insertable_into string, commit_action string, table_owner string, {_STAMPS}, "
        "data_source_format string",
        _tables,
        "Describes tables and views",
    ),
    "views": View(
        f"{_TABLE}, view_definition string, check_option string, is_updatable string", _views, "View specific information"
    ),
    "columns": View(
        f"{_TABLE}, column_name string, ordinal_position int, column_default string, is_nullable string, full_data_type string, "
        "data_type string, is_identity string, comment string",
        _columns,
        "Describes columns of tables and views",
    ),
    "routines": View(
        f"{_ROUTINE}, routine_catalog string, routine_schema string, routine_name string, routine_owner string, "
        "routine_type string, data_type string, full_data_type string, routine_body string, routine_definition string, "
        f"external_language string, is_deterministic string, is_null_call string, security_type string, {_STAMPS}",
        _routines,
        "Describes functions",
    ),
    "parameters": View(
        f"{_ROUTINE}, ordinal_position int, parameter_mode string, is_result string, parameter_name string, data_type string, "
        "full_data_type string, parameter_default string, comment string",
        _parameters,
        "Describes parameters of functions",
    ),
    "table_constraints": View(
        f"constraint_catalog string, constraint_schema string, constraint_name string, {_TABLE}, constraint_type string, "
        "is_deferrable string, initially_deferred string, enforced string, comment string",
        _table_constraints,
        "Describes primary keys",
    ),
    "key_column_usage": View(
        f"constraint_catalog string, constraint_schema string, constraint_name string, {_TABLE}, column_name string, "
        "ordinal_position int, position_in_unique_constraint int",
        _key_column_usage,
        "Lists the columns of primary keys",
    ),
    "volumes": View(
        "volume_catalog string, volume_schema string, volume_name string, volume_type string, volume_owner string, "
        f"{_STAMPS}, storage_location string",
        _volumes,
        "Describes volumes",
    ),
    "catalog_tags": View(
        "catalog_name string, tag_name string, tag_value string", _tags(SecurableType.CATALOG, "catalog_name"), "Tags of catalogs"
    ),
    "schema_tags": View(
        "catalog_name string, schema_name string, tag_name string, tag_value string",
        _tags(SecurableType.SCHEMA, "catalog_name", "schema_name"),
        "Tags of schemas",
    ),
    "table_tags": View(
        "catalog_name string, schema_name string, table_name string, tag_name string, tag_value string",
        _tags(SecurableType.TABLE, *_TABLE_KEYS),
        "Tags of tables",
    ),
    "column_tags": View(
        "catalog_name string, schema_name string, table_name string, column_name string, tag_name string, tag_value string",
        _tags(SecurableType.TABLE, *_TABLE_KEYS, of_columns=True),
        "Tags of columns",
    ),
    "volume_tags": View(
        "catalog_name string, schema_name string, volume_name string, tag_name string, tag_value string",
        _tags(SecurableType.VOLUME, "catalog_name", "schema_name", "volume_name"),
        "Tags of volumes",
    ),
    **{f"{word}_privileges": _privileges_view(word, kind, keys) for word, kind, keys in _GRANTED},
}
