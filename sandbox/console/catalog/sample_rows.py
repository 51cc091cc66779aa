"""The first rows of a version of a table, as text for a page. Rows are data: they are read, cut and escaped, never run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.catalog.delta import Snapshot
from sandbox.catalog.delta_files import DataFile

SAMPLE_ROWS = 100
BATCH_ROWS = 20
MAX_SAMPLE_BYTES = 8 * 1024 * 1024
"""After so many bytes no more rows are read; a row may hold a request of many megabytes."""
CELL_CHARACTERS = 300


@dataclass(frozen=True)
class Cell:
    """One value; `is_null` tells an empty text from none."""

    text: str
    is_number: bool = False
    is_null: bool = False


def sample(found: Snapshot) -> list[list[Cell]]:
    """At most SAMPLE_ROWS rows in the order of the files, with a cell for every column of the table."""
    names = [column.name for column in found.columns]
    rows: list[list[Cell]] = []
    size = 0
    for batch in _batches(found):
        size += batch.nbytes
        values = {name: column.to_pylist() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        rows += [[_cell(values[name][at] if name in values else None) for name in names] for at in range(batch.num_rows)]
        if len(rows) >= SAMPLE_ROWS or size > MAX_SAMPLE_BYTES:
            break
    return rows[:SAMPLE_ROWS]


def _batches(found: Snapshot) -> Iterator[pa.RecordBatch]:
    for file in found.files:
        yield from _file_batches(found, file)


def _file_batches(found: Snapshot, file: DataFile) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(found.folder / file.name) as parquet:
        yield from parquet.iter_batches(batch_size=BATCH_ROWS)


def _cell(value: Any) -> Cell:
    if value is None:
        return Cell("null", is_null=True)
    if isinstance(value, bool):
        return Cell(str(value).lower())
    if isinstance(value, int | float):
        return Cell(repr(value), is_number=True)
    return Cell(_cut(_text(value)))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:CELL_CHARACTERS].hex()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= CELL_CHARACTERS else f"{text[:CELL_CHARACTERS]}… ({len(text)} characters)"
