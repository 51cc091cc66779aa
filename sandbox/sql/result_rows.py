"""Rows of a query as the jailed process sends them: as texts, or as Arrow streams in parts."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sandbox.sql.refusals import Refused
from sandbox.sql.results import databricks_type, text_of

_BATCH_ROWS = 500
_ARROW_BATCH_ROWS = 65_536
ARROW_CHUNK_BYTES = 16 * 1024 * 1024
"""A part of a result in Arrow is hardly larger."""


def read_texts(relation: Any, max_rows: int, max_bytes: int) -> dict[str, Any]:
    """The result as texts, cut at whichever limit is reached first."""
    columns = _columns(relation)
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


def read_arrow(relation: Any, max_rows: int, max_bytes: int) -> tuple[dict[str, Any], list[bytes]]:
    """The result as Arrow streams of some megabytes each, cut at `max_rows`; `chunk_rows` says how many are in each.

    Raises Refused when it is over `max_bytes`.
    """
    columns = _columns(relation)
    reader = relation.to_arrow_reader(_ARROW_BATCH_ROWS)
    streams: list[bytes] = []
    counts: list[int] = []
    waiting: list[Any] = []
    room, truncated = max_rows, False
    for batch in reader:
        truncated = batch.num_rows > room
        waiting.append(batch.slice(0, room))
        room -= waiting[-1].num_rows
        if sum(each.nbytes for each in waiting) >= ARROW_CHUNK_BYTES:
            counts.append(sum(each.num_rows for each in waiting))
            streams.append(_stream(reader.schema, waiting))
            waiting = []
        if sum(map(len, streams)) > max_bytes:
            sentence = f"The result is over {max_bytes // 1024 // 1024} MiB. Ask for fewer columns or rows."
            raise Refused(sentence, "RESOURCE_EXHAUSTED")
        if truncated:
            break
    if waiting or not streams:
        counts.append(sum(each.num_rows for each in waiting))
        streams.append(_stream(reader.schema, waiting))
    return {"columns": columns, "rows": [], "chunk_rows": counts, "truncated": truncated}, streams


def _columns(relation: Any) -> list[dict[str, str]]:
    return [
        {"name": name, "type_name": type_name, "type_text": type_text}
        for name, (type_name, type_text) in zip(relation.columns, map(databricks_type, relation.types), strict=True)
    ]


def _stream(schema: Any, batches: Sequence[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())
