"""From captured records to rows: what can be a row, and the Arrow table of many."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sandbox.inference_tables.delta import SCHEMA

Row = tuple[Any, ...]
"""The values of one row in the order of `delta.COLUMNS`; dates are days and times microseconds since the epoch."""

_LATEST_S = dt.datetime(9999, 1, 1, tzinfo=dt.UTC).timestamp()


class BadRecord(ValueError):
    """The record cannot become a row; the message says which value is wrong."""


def row_of(record: Any) -> Row:
    """The row of a captured record (`capture.CaptureRecord`); BadRecord when a value is missing or of a wrong type."""
    try:
        request_id, time_s, status, duration_ms = record["id"], record["t"], record["status"], record["ms"]
        client, request, response = record["client"], record["req"], record["resp"]
        entity, requester, codes = record["entity"], record["who"], record.get("err", [])
    except (KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"the record lacks {error}") from error
    if not isinstance(request_id, str) or not request_id:
        raise BadRecord("id is not a text")
    if not _is_number(time_s) or not 0 <= time_s < _LATEST_S:
        raise BadRecord("t is not a time")
    if not _is_number(status) or not 0 <= status < 1000:
        raise BadRecord("status is not an HTTP status")
    if not _is_number(duration_ms) or not 0 <= duration_ms < 2**53:
        raise BadRecord("ms is not a duration")
    for key, text in (("client", client), ("req", request), ("resp", response), ("entity", entity), ("who", requester)):
        if text is not None and not isinstance(text, str):
            raise BadRecord(f"{key} is neither a text nor null")
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise BadRecord("err is not a list of texts")
    time_us = round(time_s * 1_000_000)
    days = time_us // 86_400_000_000
    # sampling_fraction is 1: every request is captured
    return (
        request_id,
        client,
        days,
        time_us,
        int(status),
        1.0,
        math.floor(duration_ms + 0.5),
        request,
        response,
        entity,
        requester,
        codes,
    )


def arrow_table(rows: Sequence[Row]) -> pa.Table:
    """The rows as an Arrow table with the schema of an inference table."""
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
