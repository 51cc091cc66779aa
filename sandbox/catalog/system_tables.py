"""Catalog `system` and every `information_schema`: tables without files, computed when somebody reads them.

They are objects like others to whoever lists or describes them, but have no row in the database.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from sandbox.catalog import containers, hooks, information_schema, tables
from sandbox.catalog.column_types import Column, arrow_schema, columns_of
from sandbox.catalog.hooks import SystemTable
from sandbox.catalog.models import LineageEdge, Securable, SecurableType, TableDetail
from sandbox.catalog.names import split_name
from sandbox.catalog.representation import metastore_id, workspace_number
from sandbox.catalog.securables import quoted
from sandbox.errors import ApiError
from sandbox.workspaces.members import Caller

SYSTEM_CATALOG = "system"
INFORMATION_SCHEMA = "information_schema"
OWNER = "System user"
_BEGAN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_COMMENTS = {
    SYSTEM_CATALOG: "System catalog (auto-created)",
    INFORMATION_SCHEMA: "Information schema (auto-created)",
    "access": "Lineage (auto-created)",
    "serving": "Served entities and usage of endpoints (auto-created)",
}


def read(caller: Caller, full_name: str) -> pa.Table | None:
    """The rows of a system table that this caller may see; None when the name is no system table's.

    Raises ResourceDoesNotExist and PermissionDenied for the `information_schema` of a catalog that is not there or not hers.
    """
    found = _system_table(caller, full_name)
    if found is None:
        return None
    rows = found.rows(caller)
    assert rows.schema.equals(found.schema)
    return rows


def catalogs(caller: Caller) -> list[Securable]:
    """The virtual ones: `system`."""
    return [_object(caller, SecurableType.CATALOG, SYSTEM_CATALOG)]


def catalog(caller: Caller, name: str) -> Securable | None:
    return catalogs(caller)[0] if _parts(name, 1) == (SYSTEM_CATALOG,) else None


def schemas(caller: Caller, catalog_name: str) -> list[Securable]:
    """The virtual ones of a catalog: `information_schema`, and in `system` those of the system tables."""
    parts = _parts(catalog_name, 1)
    if parts is None:
        return []
    names = {INFORMATION_SCHEMA}
    if parts[0] == SYSTEM_CATALOG:
        names |= {name.split(".")[1] for name in _system()}
    return [_object(caller, SecurableType.SCHEMA, f"{parts[0]}.{name}") for name in sorted(names)]


def schema(caller: Caller, full_name: str) -> Securable | None:
    """Raises ResourceDoesNotExist and PermissionDenied for the `information_schema` of a catalog that is missing or not hers."""
    parts = _parts(full_name, 2)
    if parts is None:
        return None
    found = next((each for each in schemas(caller, _quoted(parts[0])) if each.name == parts[1]), None)
    if found is not None and parts[0] != SYSTEM_CATALOG:
        containers.get_catalog(caller, _quoted(parts[0]))
    return found


def tables_of(caller: Caller, schema_full_name: str) -> list[Securable]:
    """The system tables of a virtual schema, by name, with their (unsaved) `table` detail."""
    parts = _parts(schema_full_name, 2)
    if parts is None or schema(caller, schema_full_name) is None:
        return []
    if parts[1] == INFORMATION_SCHEMA:
        names = sorted(f"{parts[0]}.{parts[1]}.{view}" for view in information_schema.VIEWS)
    else:
        names = sorted(name for name in _system() if name.split(".")[1] == parts[1])
    found = (table(caller, _quoted(*name.split("."))) for name in names)
    return [each for each in found if each is not None]


def table(caller: Caller, full_name: str) -> Securable | None:
    """Raises as `schema`."""
    found = _system_table(caller, full_name)
    if found is None:
        return None
    shown = _object(caller, SecurableType.TABLE, found.full_name, found.comment)
    columns = [column.as_json() for column in columns_of(found.schema)]
    shown.table = TableDetail(securable=shown, table_type="MANAGED", location="", columns=columns)
    if found.full_name.split(".")[1] == INFORMATION_SCHEMA:
        shown.table.table_type = tables.VIEW
    return shown


def _system_table(caller: Caller, full_name: str) -> SystemTable | None:
    parts = _parts(full_name, 3)
    if parts is None:
        return None
    if parts[1] == INFORMATION_SCHEMA and parts[2] in information_schema.VIEWS:
        if parts[0] != SYSTEM_CATALOG:
            containers.get_catalog(caller, _quoted(parts[0]))
        return _view(parts[0], parts[2])
    return _system().get(".".join(parts)) if parts[0] == SYSTEM_CATALOG else None


def _view(catalog_name: str, name: str) -> SystemTable:
    view = information_schema.VIEWS[name]
    pairs = (each.split() for each in view.columns.split(", "))
    columns = [Column(name, type_text) for name, type_text in pairs]
    columns_schema = arrow_schema(columns)
    only = None if catalog_name == SYSTEM_CATALOG else catalog_name

    def rows(caller: Caller) -> pa.Table:
        return pa.Table.from_pylist(list(view.rows(caller, only)), schema=columns_schema)

    return SystemTable(f"{catalog_name}.{INFORMATION_SCHEMA}.{name}", columns_schema, view.comment, rows)


_LINEAGE = arrow_schema(
    [
        Column("account_id", "string"),
        Column("metastore_id", "string"),
        Column("workspace_id", "string"),
        Column("entity_type", "string"),
        Column("entity_id", "string"),
        *(
            Column(f"{side}_{name}", "string")
            for side in ("source", "target")
            for name in ("table_full_name", "table_catalog", "table_schema", "table_name", "type")
        ),
        Column("event_time", "timestamp"),
        Column("event_date", "date"),
    ]
)


def _lineage(caller: Caller) -> pa.Table:
    """Edges with a table at one end at least; for what is no table, `entity_type` and `entity_id` name it.

    An admin sees all, others those whose tables she may know of.
    """
    return pa.Table.from_pylist(list(_lineage_rows(caller)), schema=_LINEAGE)


def _lineage_rows(caller: Caller) -> Iterator[dict[str, Any]]:
    edges = LineageEdge.objects.filter(workspace=caller.workspace)
    known = None if caller.is_admin else _known_tables(caller)
    for edge in edges.order_by("at"):
        ends = (("source", edge.source_kind, edge.source_name), ("target", edge.target_kind, edge.target_name))
        of_tables = {side: name for side, kind, name in ends if kind == LineageEdge.Kind.TABLE}
        if not of_tables or (known is not None and not set(of_tables.values()) <= known):
            continue
        row: dict[str, Any] = {
            "metastore_id": metastore_id(caller.workspace),
            "workspace_id": str(workspace_number(caller.workspace)),
            "event_time": edge.at,
            "event_date": edge.at.date(),
        }
        for side, kind, name in ends:
            row |= _end(side, name) if kind == LineageEdge.Kind.TABLE else {"entity_type": kind, "entity_id": name}
        yield row


def _end(side: str, name: str) -> dict[str, Any]:
    parts = dict(zip(("table_catalog", "table_schema", "table_name"), name.split("."), strict=False))
    return {f"{side}_{key}": value for key, value in {**parts, "table_full_name": name, "type": "TABLE"}.items()}


def _known_tables(caller: Caller) -> set[str]:
    rows = information_schema.VIEWS["tables"].rows(caller, None)
    return {f"{row['table_catalog']}.{row['table_schema']}.{row['table_name']}" for row in rows}


def _system() -> dict[str, SystemTable]:
    lineage = SystemTable("system.access.table_lineage", _LINEAGE, "Read and write events of tables", _lineage)
    return {lineage.full_name: lineage, **hooks.lent_system_tables()}


def _object(caller: Caller, kind: SecurableType, full_name: str, comment: str | None = None) -> Securable:
    name = full_name.rpartition(".")[2]
    return Securable(
        workspace=caller.workspace,
        securable_type=kind,
        name=name,
        full_name=full_name,
        owner=OWNER,
        comment=_COMMENTS.get(name, "") if comment is None else comment,
        created_at=_BEGAN,
        created_by=OWNER,
        updated_at=_BEGAN,
        updated_by=OWNER,
    )


def _parts(name: str, parts: int) -> tuple[str, ...] | None:
    try:
        return split_name(name, parts)
    except ApiError:
        return None


def _quoted(*parts: str) -> str:
    return quoted(parts)
