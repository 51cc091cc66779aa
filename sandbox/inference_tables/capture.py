"""The capture stream: what replicas and the gateway append for every answered invocation (no Django here).

One stream entry holds one field with a JSON list of records. Whoever answers an invocation puts
`append(pipeline, records)` into the same MULTI/EXEC as the answer: what is answered is in the stream.
"""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import orjson

STREAM = "capture"
FIELD = b"b"
BODIES_FIELD = b"k"
"""The key (`sandbox.inference_tables.bodies`) of request bodies that the entry's records only point to."""
REJECTED_STREAM = "capture:rejected"
"""Entries that cannot become rows, with the reason; their ids are those of the original entries."""

LOGGED_PAYLOAD_LIMIT_BYTES = 1024 * 1024
"""Larger requests and responses are logged as null (AI Gateway: "payloads larger than 1 MiB are not logged")."""
MAX_REQUEST_SIZE_EXCEEDED = "MAX_REQUEST_SIZE_EXCEEDED"
MAX_RESPONSE_SIZE_EXCEEDED = "MAX_RESPONSE_SIZE_EXCEEDED"


class CaptureRecord(TypedDict):
    """One invocation, as it travels from who answered it to the inference table."""

    id: str
    """databricks_request_id"""
    client: str | None
    """client_request_id, when the caller sent one"""
    ws: str
    """workspace_id of the caller"""
    table: str
    """three-level name of the inference table"""
    t: float
    """arrival of the request, seconds since the epoch"""
    status: int
    ms: float
    """execution_duration_ms: time in the model"""
    req: str | None
    resp: str | None
    entity: str
    """served_entity_id"""
    who: str
    """requester"""
    at: NotRequired[tuple[int, int]]
    """From which byte to which `req` stands below the entry's key of bodies; `encode` leaves `req` out then"""
    err: NotRequired[list[str]]
    """logging_error_codes; `encode` adds those of bodies that are too large"""


def encode(records: Sequence[CaptureRecord], limit_bytes: int = LOGGED_PAYLOAD_LIMIT_BYTES) -> bytes:
    """The JSON list of one stream entry; bodies over `limit_bytes` become null plus their error code."""
    limited = [_limited(record, limit_bytes) for record in records]
    try:
        return orjson.dumps(limited)
    except TypeError:  # lone surrogates: what a client sent need not be valid Unicode
        return orjson.dumps([_valid_text(record) for record in limited])


def append(redis: Any, records: Sequence[CaptureRecord]) -> Any:
    """XADD the records through a client or pipeline, synchronous or not: the result is whatever it returns."""
    return redis.xadd(STREAM, {FIELD: encode(records)})


def _limited(record: CaptureRecord, limit_bytes: int) -> CaptureRecord:
    request_is_large = _is_over(record["req"], limit_bytes)
    response_is_large = _is_over(record["resp"], limit_bytes)
    if not request_is_large and "at" in record:
        record = {**record, "req": None}
    if not request_is_large and not response_is_large:
        return record
    codes = list(record.get("err", []))
    smaller = record.copy()
    if request_is_large:
        smaller["req"] = None
        smaller.pop("at", None)
        codes.append(MAX_REQUEST_SIZE_EXCEEDED)
    if response_is_large:
        smaller["resp"] = None
        codes.append(MAX_RESPONSE_SIZE_EXCEEDED)
    smaller["err"] = codes
    return smaller


def _is_over(body: str | None, limit_bytes: int) -> bool:
    if body is None or len(body) * 4 <= limit_bytes:  # no code point is longer than 4 bytes
        return False
    return len(body) > limit_bytes or len(body.encode("utf-8", "replace")) > limit_bytes


def _valid_text(record: CaptureRecord) -> dict[str, Any]:
    return {key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value for key, value in record.items()}
