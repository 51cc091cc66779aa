"""What served models print: replicas append lines to a list in Redis, the logs API reads them.

``logs:<entity_id>`` is a list of JSON ``[seconds since the epoch, replica_id, text]``, the newest last. Service logs are
ephemeral there too [docs: monitor-diagnose page].
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

MAX_LINES = 1_000
"""Kept for each served entity."""
KEPT_S = 7 * 24 * 3600
"""After the last line."""


@dataclass(frozen=True)
class LogLine:
    """One line that a model wrote to its standard output or error; untrusted text without its line break."""

    at_s: float
    """Seconds since the epoch at which the replica read it."""
    replica_id: str
    text: str


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
    pipe.execute()


def lines(redis: Any, entity_id: str, limit: int = MAX_LINES) -> list[LogLine]:
    """The last `limit` lines of all replicas of the served entity, the oldest first."""
    return [LogLine(*orjson.loads(raw)) for raw in redis.lrange(key(entity_id), -limit, -1)]


def forget(redis: Any, entity_ids: Iterable[str]) -> None:
    """Drop the lines of entities that are gone for good."""
    if keys := [key(entity_id) for entity_id in entity_ids]:
        redis.delete(*keys)
