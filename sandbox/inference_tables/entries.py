"""Reads the capture stream in the order of its entries, and removes what has arrived in tables (no Django here)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from sandbox.inference_tables import bodies, capture

BATCH_ENTRIES = 20_000
BATCH_BYTES = 16 * 1024 * 1024
FIRST_PAGE_ENTRIES = 64
_SEQUENCE_BITS = 20


@dataclass(frozen=True)
class Entry:
    """One entry of the stream."""

    entry_id: bytes
    transaction: int
    """The id as a number that grows with it."""
    body: bytes
    bodies_key: str = ""
    """Where the request bodies of its records are kept; empty when they are in the records."""
    bodies: bytes = b""

    @property
    def size_bytes(self) -> int:
        return len(self.body) + len(self.bodies)

    def records(self) -> list[dict[str, Any]] | None:
        """Its records, whole; None when it is no JSON list of objects, or its id does not fit the transaction number."""
        if self.transaction >= 2**63 or int(self.entry_id.split(b"-")[1]) >= 2**_SEQUENCE_BITS:
            return None
        try:
            records = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            return None
        return [self._with_body(record) for record in records] if self.bodies_key else records

    def _with_body(self, record: dict[str, Any]) -> dict[str, Any]:
        match record.get("at"):
            case [int(start), int(end)] if end <= len(self.bodies):
                record["req"] = self.bodies[start:end].decode("utf-8", "replace")
        return record


def last_transaction(redis: Any) -> int:
    """The newest entry's transaction number; -1 for an empty stream."""
    newest = redis.xrevrange(capture.STREAM, count=1)
    return _entry(*newest[0]).transaction if newest else -1


def read_batch(redis: Any, max_entries: int = BATCH_ENTRIES, max_bytes: int = BATCH_BYTES) -> list[Entry]:
    """The oldest entries; stops at the first page that reaches a bound, so one page may exceed it."""
    entries: list[Entry] = []
    size_bytes = 0
    page_entries = FIRST_PAGE_ENTRIES
    start = "-"
    while page_entries > 0:
        page = _page(redis, start, page_entries)
        entries += page
        size_bytes += sum(entry.size_bytes for entry in page)
        if len(page) < page_entries or size_bytes >= max_bytes:
            break
        start = f"({entries[-1].entry_id.decode()}"
        entry_bytes = max(1, size_bytes // len(entries))
        page_entries = min(max_entries - len(entries), max(1, (max_bytes - size_bytes) // entry_bytes), 10 * len(entries))
    return entries


def _page(redis: Any, start: str, count: int) -> list[Entry]:
    """The next entries with the bodies that are kept beside them."""
    found = [_entry(entry_id, fields) for entry_id, fields in redis.xrange(capture.STREAM, min=start, count=count)]
    keys = [entry.bodies_key for entry in found if entry.bodies_key]
    kept = dict(zip(keys, bodies.fetch(redis, keys), strict=True))
    return [replace(entry, bodies=kept[entry.bodies_key] or b"") if entry.bodies_key else entry for entry in found]


def trim(redis: Any, entries: Sequence[Entry]) -> None:
    """Remove these entries, the oldest ones, with their bodies, all at once."""
    time_ms, sequence = entries[-1].entry_id.split(b"-")
    pipeline = redis.pipeline(transaction=True)
    pipeline.xtrim(capture.STREAM, minid=f"{time_ms.decode()}-{int(sequence) + 1}", approximate=False)
    bodies.forget(pipeline, [entry.bodies_key for entry in entries if entry.bodies_key])
    pipeline.execute()


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    time_ms, sequence = (int(part) for part in entry_id.split(b"-"))
    key = fields.get(capture.BODIES_FIELD, b"").decode()
    return Entry(entry_id, (time_ms << _SEQUENCE_BITS) + sequence, fields.get(capture.FIELD, b""), key)
