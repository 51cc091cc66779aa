"""What served models print and log: replicas append lines to a list in Redis, the logs API reads them.

``logs:<entity_id>`` is a list of JSON ``[seconds since the epoch, replica_id, text]``, the newest last. Service logs are
ephemeral there too [docs: monitor-diagnose page]. What models log with Python's logging goes onto the stream ``telemetry:logs``
as well while the entity is in the set ``telemetry:entities``; the control plane moves it into tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import orjson

MAX_LINES = 1_000
"""Kept for each served entity."""
KEPT_S = 7 * 24 * 3600
"""After the last line."""


TELEMETRY_STREAM, TELEMETRY_ENTITIES = "telemetry:logs", "telemetry:entities"
MAX_TELEMETRY_ENTRIES = 5_000
"""What is not moved into tables by then is lost, the oldest first. An entry is what one replica logged in a tenth of a second."""


@dataclass(frozen=True)
class LogRecord:
    """One record of Python's logging; all of it is untrusted text."""

    at_s: float
    """Seconds since the epoch at which the model logged it."""
    severity: str
    """Python's name of the level: WARNING, ERROR and so on."""
    logger: str
    body: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class LogLine:
    """One line that a model wrote to its standard output or error; untrusted text without its line break."""

    at_s: float
    """Seconds since the epoch at which the replica read it."""
    replica_id: str
    text: str
    record: LogRecord | None = None
    """What the line stands for, when it was not printed but logged; not kept in the list."""


@dataclass(frozen=True)
class TelemetryEntry:
    """What one replica logged, on its way into a table."""

    entry_id: bytes
    entity_id: str
    replica_id: str
    records: list[LogRecord]


def key(entity_id: str) -> str:
    return f"logs:{entity_id}"


def append(redis: Any, entity_id: str, lines: Sequence[LogLine]) -> None:
    """Add the lines and forget what is beyond MAX_LINES."""
    if not lines:
        return
    pipe = redis.pipeline(transaction=False)
    pipe.rpush(key(entity_id), *(orjson.dumps([line.at_s, line.replica_id, line.text]) for line in lines[-MAX_LINES:]))
    pipe.ltrim(key(entity_id), -MAX_LINES, -1)
    pipe.expire(key(entity_id), KEPT_S)
    pipe.sismember(TELEMETRY_ENTITIES, entity_id)
    is_exported = pipe.execute()[-1]
    records = [astuple(line.record) for line in lines if line.record is not None]
    if is_exported and records:
        entry = orjson.dumps([entity_id, lines[0].replica_id, records])
        redis.xadd(TELEMETRY_STREAM, {"entry": entry}, maxlen=MAX_TELEMETRY_ENTRIES, approximate=True)


def lines(redis: Any, entity_id: str, limit: int = MAX_LINES) -> list[LogLine]:
    """The last `limit` lines of all replicas of the served entity, the oldest first."""
    return [LogLine(*orjson.loads(raw)) for raw in redis.lrange(key(entity_id), -limit, -1)]


def export_only(redis: Any, entity_ids: Iterable[str]) -> None:
    """From now on what exactly these entities log goes onto the stream."""
    wanted, now = set(entity_ids), {each.decode() for each in redis.smembers(TELEMETRY_ENTITIES)}
    if wanted - now:
        redis.sadd(TELEMETRY_ENTITIES, *(wanted - now))
    if now - wanted:
        redis.srem(TELEMETRY_ENTITIES, *(now - wanted))


def telemetry_entries(redis: Any, limit: int) -> list[TelemetryEntry]:
    """The oldest entries of the stream; they stay until `telemetry_done`."""
    found = []
    for entry_id, fields in redis.xrange(TELEMETRY_STREAM, count=limit):
        entity_id, replica_id, records = orjson.loads(fields[b"entry"])
        found.append(TelemetryEntry(entry_id, entity_id, replica_id, [LogRecord(*record) for record in records]))
    return found


def telemetry_done(redis: Any, entries: Sequence[TelemetryEntry]) -> None:
    """These are in their tables."""
    if entries:
        redis.xdel(TELEMETRY_STREAM, *(entry.entry_id for entry in entries))


def forget(redis: Any, entity_ids: Iterable[str]) -> None:
    """Drop the lines of entities that are gone for good."""
    if keys := [key(entity_id) for entity_id in entity_ids]:
        redis.delete(*keys)
