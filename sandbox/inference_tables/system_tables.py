"""`system.serving.endpoint_usage`: one row for each call that was logged [docs: Model serving system tables].

Here it is read from the inference tables, so it has the calls of endpoints that log, and no counts of tokens.
"""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.catalog import access, captured, tables
from sandbox.catalog.column_types import Column, arrow_schema
from sandbox.catalog.folders import MANAGED_FOLDER
from sandbox.catalog.hooks import SystemTable
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.representation import workspace_number
from sandbox.errors import PermissionDenied
from sandbox.inference_tables import delta
from sandbox.workspaces.members import Caller

MAX_ROWS = 1_000_000
_LOGGED = ["client_request_id", "databricks_request_id", "requester", "status_code", "request_time", "served_entity_id"]
_SCHEMA = arrow_schema(
    [
        Column("account_id", "string"),
        Column("workspace_id", "string"),
        Column("client_request_id", "string"),
        Column("databricks_request_id", "string"),
        Column("requester", "string"),
        Column("status_code", "int"),
        Column("request_time", "timestamp"),
        Column("input_token_count", "bigint"),
        Column("output_token_count", "bigint"),
        Column("input_character_count", "bigint"),
        Column("output_character_count", "bigint"),
        Column("usage_context", "map<string,string>"),
        Column("request_streaming", "boolean"),
        Column("served_entity_id", "string"),
    ]
)


def _endpoint_usage(caller: Caller) -> pa.Table:
    """Calls of the tables that the caller may read; of each table the newest, up to `MAX_ROWS`."""
    parts = [part for table in _readable(caller) for part in _logged(table)]
    if not parts:
        return _SCHEMA.empty_table()
    logged = pa.concat_tables(parts)
    workspace = pa.array([str(workspace_number(caller.workspace))] * logged.num_rows, pa.string())
    known: dict[str, Any] = {name: logged[name] for name in _LOGGED} | {"workspace_id": workspace}
    columns = [known.get(field.name, pa.nulls(logged.num_rows, field.type)) for field in _SCHEMA]
    return pa.table([column.cast(field.type) for column, field in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)


def _readable(caller: Caller) -> list[Securable]:
    captured.adopt(caller.workspace)
    found = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.TABLE)
    logged = found.exclude(table__location="").exclude(table__location__startswith=f"{MANAGED_FOLDER}/")
    return [table for table in logged.select_related("table", "parent__parent", "workspace") if _may_read(caller, table)]


def _may_read(caller: Caller, table: Securable) -> bool:
    try:
        access.require(caller, table, "SELECT")
    except PermissionDenied:
        return False
    return True


def _logged(table: Securable) -> list[pa.Table]:
    parts: list[pa.Table] = []
    for file in delta.data_files(tables.folder_of(table)):
        if sum(part.num_rows for part in parts) >= MAX_ROWS:
            break
        parts.append(pq.read_table(file.path, columns=_LOGGED))
    return parts


ENDPOINT_USAGE = SystemTable(
    "system.serving.endpoint_usage", _SCHEMA, "Calls of model serving endpoints that log them", _endpoint_usage
)
