"""Runs one translated statement in a locked-down DuckDB; the one module that imports duckdb. In the jail only."""

import threading
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sandbox.sql.job import SqlRequest
from sandbox.sql.results import databricks_type, text_of
from sandbox.sql.translation import Parameter, Scope, translate

_BATCH_ROWS = 500
_CONFIGURATION = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "512MB",
    "max_temp_directory_size": "0B",
    "threads": "1",
}
# order matters: nothing can be set after the last line
_LOCK_DOWN = (
    "SET TimeZone='UTC'",
    "SET python_enable_replacements=false",
    "CREATE MACRO pg_json_text(j, p) AS CASE WHEN json_valid(j) THEN json_extract_string(j, p) END",
    "CREATE MACRO pg_json_list(j, p) AS CASE WHEN json_valid(j) THEN CAST(to_json(json_extract(j, p)) AS VARCHAR) END",
    "CREATE MACRO pg_from_json(j, s) AS CASE WHEN json_valid(j) THEN json_transform(j, s) END",
    "CREATE MACRO pg_unix_seconds(t) AS CAST(floor(epoch(CAST(t AS TIMESTAMPTZ))) AS BIGINT)",
    "CREATE MACRO pg_window(t, w) AS {'start': time_bucket(CAST(w AS INTERVAL), t), "
    "'end': time_bucket(CAST(w AS INTERVAL), t) + CAST(w AS INTERVAL)}",
    "SET lock_configuration=true",
)


def execute(request: SqlRequest, files: memoryview) -> dict[str, Any]:
    """Translate and run; raises Refused or an error of DuckDB."""
    names = {table["name"]: f"t{number}" for number, table in enumerate(request["tables"])}
    parameters = [Parameter(p["name"], p["value"], p.get("type") or "STRING") for p in request["parameters"]]
    statement = translate(request["sql"], Scope(names, request["catalog"], request["schema"], parameters))
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with open_database() as connection:
        _register(connection, request, names, files)
        lock_down(connection)
        stop = threading.Timer(request["soft_timeout_s"], connection.interrupt)
        stop.daemon = True
        stop.start()
        try:
            return _read(connection.sql(statement), request["max_rows"], request["max_bytes"])
        finally:
            stop.cancel()


def lock_down(connection: Any) -> None:
    """From here on no setting can be changed, and no file, network address or extension reached."""
    for setting in _LOCK_DOWN:
        connection.execute(setting)


def open_database() -> Any:
    """An empty database in memory that cannot leave it."""
    return duckdb.connect(":memory:", config=_CONFIGURATION)


def _register(connection: Any, request: SqlRequest, names: dict[str, str], files: memoryview) -> None:
    """Make each table that has files a view over them; they stay compressed in memory and are read as needed."""
    start = 0
    for table in request["tables"]:
        buffers = []
        for size in table["file_sizes"]:
            buffers.append(pa.py_buffer(files[start : start + size]))
            start += size
        if buffers:
            connection.register(names[table["name"]], _dataset(buffers))


def _dataset(buffers: list[Any]) -> Any:
    parquet = ds.ParquetFileFormat()
    schema = pq.read_schema(pa.BufferReader(buffers[0]))
    return ds.FileSystemDataset([parquet.make_fragment(pa.BufferReader(buffer)) for buffer in buffers], schema, parquet, None)


def _read(relation: Any, max_rows: int, max_bytes: int) -> dict[str, Any]:
    """The result as texts, cut at whichever limit is reached first."""
    columns = [
        {"name": name, "type_name": type_name, "type_text": type_text}
        for name, (type_name, type_text) in zip(relation.columns, map(databricks_type, relation.types), strict=True)
    ]
    rows: list[list[str | None]] = []
    size_bytes = 0
    for batch in relation.to_arrow_reader(_BATCH_ROWS):
        values = [[text_of(value) for value in column.to_pylist()] for column in batch.columns]
        for row in zip(*values, strict=True):
            size_bytes += sum(len(text) for text in row if text is not None)
            if len(rows) == max_rows or size_bytes > max_bytes:
                return {"columns": columns, "rows": rows, "truncated": True}
            rows.append(list(row))
    return {"columns": columns, "rows": rows, "truncated": False}
