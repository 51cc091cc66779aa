"""Parquet files of Delta tables: rows made to fit the table's columns, written and synced, and read back by position."""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.catalog.delta_log import sync
from sandbox.errors import InvalidParameterValue

MAX_ROWS_OF_FILE = 2_000_000
ROWS_OF_GROUP = 122_880
"""As DuckDB divides the work of a query among its threads."""
CHANGES = "_change_data"


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a version of a table; `name` is relative to the table's folder."""

    name: str
    size_bytes: int
    rows: int


def write(folder: Path, schema: pa.Schema, rows: pa.Table | pa.RecordBatchReader) -> list[DataFile]:
    """Write the rows, as they come, into new files that nothing names yet; synced. No rows, no file.

    Names begin with the time, so that files in the order of their names are in the order in which they were written: of several
    rows with one key the last one written counts, for whoever reads them.
    Raises InvalidParameterValue when a row does not fit the columns; what was written by then is deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[DataFile] = []
    stem = f"part-{time.time_ns():020}"
    try:
        for part in _parts(schema, rows):
            written.append(_write_one(folder, f"{stem}-{len(written):05}-{secrets.token_hex(8)}.parquet", part))
    except BaseException:
        delete(folder, written)
        raise
    if written:
        sync(folder)
    return written


def write_changes(folder: Path, rows: pa.Table) -> DataFile:
    """Rows of the change data feed, with their `_change_type`."""
    (folder / CHANGES).mkdir(exist_ok=True)
    written = _write_one(folder, f"{CHANGES}/cdc-{secrets.token_hex(16)}.parquet", rows)
    sync(folder / CHANGES)
    sync(folder)
    return written


def delete(folder: Path, files: Iterable[DataFile]) -> None:
    for file in files:
        (folder / file.name).unlink(missing_ok=True)


def read(folder: Path, file: DataFile, schema: pa.Schema) -> pa.Table:
    """All rows of a file with the columns of `schema`; those that were added to the table later are null."""
    with pq.ParquetFile(folder / file.name) as opened:
        there = [name for name in opened.schema_arrow.names if name in schema.names]
        rows = opened.read(columns=there)
    return fitted(rows, schema) if there else _all_null(file.rows, schema)


def _all_null(rows: int, schema: pa.Schema) -> pa.Table:
    return pa.table([pa.nulls(rows, field.type) for field in schema], schema=schema)


def stream(
    folder: Path, files: Sequence[DataFile], schema: pa.Schema, new_names: Mapping[str, str], new_schema: pa.Schema
) -> pa.RecordBatchReader:
    """All rows of the files, one file in memory at a time, with only the columns of `new_names` and under those names."""

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            kept = read(folder, file, schema).select(list(new_names)).rename_columns(list(new_names.values()))
            yield from kept.cast(new_schema).to_batches()

    return pa.RecordBatchReader.from_batches(new_schema, batches())


def fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with exactly the columns of `schema`, matched by name in any case; a column that is missing is null.

    Raises InvalidParameterValue: a column that the table does not have, one that may not be null and is, or a value that does
    not fit its type.
    """
    found = {name.lower(): position for position, name in enumerate(rows.column_names)}
    unknown = set(found) - {field.name.lower() for field in schema}
    if unknown or len(found) != rows.num_columns:
        names = ", ".join(sorted(unknown)) or "one name twice"
        raise InvalidParameterValue(f"The table has no such column: {names}. Its columns: {', '.join(schema.names)}.")
    columns = [_fitted_column(rows, found.get(field.name.lower()), field) for field in schema]
    return pa.table(columns, schema=schema)


def _fitted_column(rows: pa.Table, position: int | None, field: pa.Field) -> Any:
    column = pa.nulls(rows.num_rows, field.type) if position is None else rows.column(position)
    if column.null_count and not field.nullable:
        raise InvalidParameterValue(
            f"[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: {field.name}."
        )
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InvalidParameterValue(f"A value does not fit the column {field.name} of type {field.type}: {error}") from None


def _parts(schema: pa.Schema, rows: pa.Table | pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The rows in tables that are each one file's worth."""
    if isinstance(rows, pa.Table):
        for start in range(0, rows.num_rows, MAX_ROWS_OF_FILE):
            yield fitted(rows.slice(start, MAX_ROWS_OF_FILE), schema)
        return
    held: list[pa.Table] = []
    for batch in rows:
        held.append(fitted(pa.Table.from_batches([batch]), schema))
        if sum(part.num_rows for part in held) >= MAX_ROWS_OF_FILE:
            yield pa.concat_tables(held)
            held = []
    if sum(part.num_rows for part in held):
        yield pa.concat_tables(held)


def _write_one(folder: Path, name: str, rows: pa.Table) -> DataFile:
    path = folder / name
    pq.write_table(rows, path, compression="zstd", compression_level=1, row_group_size=ROWS_OF_GROUP)
    sync(path)
    return DataFile(name, path.stat().st_size, rows.num_rows)


def split(rows: pa.Table, positions: Sequence[int]) -> tuple[pa.Table, pa.Table]:
    """The rows at the positions, in their order, and all others."""
    indices = pa.array(positions, pa.int64())
    rest = pc.invert(pc.is_in(pa.array(range(rows.num_rows), pa.int64()), indices))
    return rows.take(indices), rows.filter(rest)
