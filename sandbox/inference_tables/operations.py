"""Reading inference tables: which there are, their columns, newest rows, one row, counts, and rows since a time."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings

from sandbox.errors import ResourceDoesNotExist
from sandbox.inference_tables import delta
from sandbox.inference_tables.names import TableName, workspace_folder

_LIST_COLUMNS = tuple(name for name, _, _ in delta.COLUMNS if name not in {"request", "response"})
MAX_ROWS_SINCE = 10_000


@dataclass(frozen=True)
class CapturedRequest:
    """One row of an inference table; `request` and `response` are the bodies as text, None when not logged or not read."""

    databricks_request_id: str
    client_request_id: str | None
    request_time: dt.datetime
    status_code: int
    execution_duration_ms: int
    request: str | None
    response: str | None
    served_entity_id: str | None
    requester: str | None
    logging_error_codes: tuple[str, ...]


@dataclass(frozen=True)
class TableDescription:
    """What a table is: columns as (name, SQL type), rows and size of its newest version."""

    name: TableName
    columns: tuple[tuple[str, str], ...]
    rows: int
    size_bytes: int
    newest: dt.datetime | None
    """Time of the latest request; None when the table is empty."""


@dataclass(frozen=True)
class RequestCount:
    """How many requests one served entity answered with one status."""

    served_entity_id: str
    status_code: int
    requests: int
    mean_duration_ms: float


def tables(workspace_id: str) -> list[TableName]:
    """The inference tables of the workspace by name; empty for an unknown workspace."""
    root = workspace_folder(settings.DELTA_DIR, workspace_id)
    names = []
    for folder in sorted(root.glob("*/*/*/_delta_log")):
        if not any(folder.glob("*.json")):  # being created
            continue
        try:
            names.append(TableName.parse(".".join(folder.parent.relative_to(root).parts)))
        except ValueError:  # a stray folder is no table
            continue
    return names


def describe(workspace_id: str, table: str) -> TableDescription:
    """Raises ResourceDoesNotExist for a table that this workspace does not have."""
    name, files = _files(workspace_id, table)
    newest_s = max((file.newest_s for file in files), default=0.0)
    return TableDescription(
        name=name,
        columns=tuple((column, sql_type) for column, _, sql_type in delta.COLUMNS),
        rows=sum(file.rows for file in files),
        size_bytes=sum(file.size_bytes for file in files),
        newest=dt.datetime.fromtimestamp(newest_s, dt.UTC) if newest_s else None,
    )


def row_count(workspace_id: str, table: str) -> int:
    """Rows of the table's newest version, from its log alone. Raises ResourceDoesNotExist."""
    _, files = _files(workspace_id, table)
    return sum(file.rows for file in files)


def read_rows(workspace_id: str, table: str, limit: int, offset: int = 0) -> list[CapturedRequest]:
    """Rows without their bodies, newest first. Raises ResourceDoesNotExist."""
    _, files = _files(workspace_id, table)
    newest = _newest(files, limit + offset, _LIST_COLUMNS)
    return _captured(newest.slice(offset, limit))


def read_row(workspace_id: str, table: str, databricks_request_id: str) -> CapturedRequest:
    """One row with its bodies. Raises ResourceDoesNotExist when the table or the row is missing."""
    _, files = _files(workspace_id, table)
    is_wanted = pc.field("databricks_request_id") == databricks_request_id
    for file in files:
        found = pq.read_table(file.path, filters=is_wanted)
        if found.num_rows:
            return _captured(found)[0]
    raise ResourceDoesNotExist(f"The table {table} has no row with databricks_request_id '{databricks_request_id[:100]}'.")


def rows_since(workspace_id: str, table: str, since: dt.datetime) -> list[CapturedRequest]:
    """Rows without their bodies whose request_time is `since` or later, oldest first; at most the newest `MAX_ROWS_SINCE`.

    A table that does not exist yet has no rows.
    """
    try:
        _, files = _files(workspace_id, table)
    except ResourceDoesNotExist:
        return []
    recent = [file for file in files if file.newest_s >= since.timestamp()]
    newest = _newest(recent, MAX_ROWS_SINCE, _LIST_COLUMNS)
    is_recent = pc.greater_equal(newest["request_time"], pa.scalar(since, newest["request_time"].type))
    return _captured(newest.filter(is_recent))[::-1]


def count_requests(workspace_id: str, table: str) -> list[RequestCount]:
    """Requests of each served entity and status, most first. Raises ResourceDoesNotExist."""
    _, files = _files(workspace_id, table)
    columns = ["served_entity_id", "status_code", "execution_duration_ms"]
    parts = [pq.read_table(file.path, columns=columns) for file in files]
    if not parts:
        return []
    grouped = pa.concat_tables(parts).group_by(columns[:2]).aggregate([("status_code", "count"), (columns[2], "mean")])
    counts = [
        RequestCount(
            row["served_entity_id"] or "", row["status_code"], row["status_code_count"], row["execution_duration_ms_mean"]
        )
        for row in grouped.to_pylist()
    ]
    return sorted(counts, key=lambda count: (-count.requests, count.served_entity_id, count.status_code))


def _files(workspace_id: str, table: str) -> tuple[TableName, list[delta.DataFile]]:
    missing = ResourceDoesNotExist(f"Table '{table[:200]}' does not exist.")
    try:
        name = TableName.parse(table)
        path = name.folder(settings.DELTA_DIR, workspace_id)
    except ValueError:
        raise missing from None
    if not delta.is_table(path):
        raise missing
    return name, delta.data_files(path)


def _newest(files: Sequence[delta.DataFile], wanted: int, columns: Sequence[str]) -> pa.Table:
    """The `wanted` newest rows, newest first; `files` are ordered newest first, and read only as far as needed."""
    kept = pa.table({name: [] for name in columns}, schema=pa.schema([delta.SCHEMA.field(name) for name in columns]))
    if wanted == 0:  # the table was empty when its rows were counted, and may have some by now
        return kept
    for file in files:
        if kept.num_rows >= wanted and kept["request_time"][wanted - 1].as_py().timestamp() >= file.newest_s:
            break
        for part in _row_groups_newest_first(file.path, columns):
            together = pa.concat_tables([kept, part.cast(kept.schema)])
            kept = together.sort_by([("request_time", "descending")]).slice(0, wanted)
    return kept


def _row_groups_newest_first(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    with pq.ParquetFile(path) as file:
        for number in reversed(range(file.num_row_groups)):
            yield file.read_row_group(number, columns=list(columns))


def _captured(table: pa.Table) -> list[CapturedRequest]:
    return [
        CapturedRequest(
            databricks_request_id=row["databricks_request_id"],
            client_request_id=row["client_request_id"],
            request_time=row["request_time"],
            status_code=row["status_code"],
            execution_duration_ms=row["execution_duration_ms"],
            request=row.get("request"),
            response=row.get("response"),
            served_entity_id=row["served_entity_id"],
            requester=row["requester"],
            logging_error_codes=tuple(row["logging_error_codes"] or ()),
        )
        for row in table.to_pylist()
    ]
