"""Where statements are kept: state and result for an hour, who and what in the history. All of it in Redis.

The history is there, and not in the database, because it is one write for each statement, and SQLite takes one writer at a time;
Redis writes to disk what it is told within a second, and losing the last second of a history harms nobody.
"""

import zlib
from typing import Any

import orjson

from sandbox.connections import redis_client

KEEP_S = 3600
KEEP_PER_PERSON = 10
"""Older results are forgotten sooner, so that nobody can fill the memory of Redis."""
HISTORY_LENGTH = 500
"""Statements of one workspace."""
HISTORY_KEPT_S = 30 * 24 * 3600
"""After the workspace's last statement [docs: Query history, 30 days]."""
ALIVE_S = 15
"""A statement of which nobody has heard for so long has lost the process that ran it."""
HISTORY_TEXT_CHARACTERS = 10_000


def save(workspace_id: str, statement_id: str, kept: dict[str, Any]) -> None:
    """Replace what is kept of the statement: {"user", "response", "rows", …}."""
    redis_client().set(_key(workspace_id, statement_id), zlib.compress(orjson.dumps(kept), 1), ex=KEEP_S)


def remember(workspace_id: str, user_id: int, statement_id: str) -> None:
    """Count the statement among the person's, and forget her oldest results."""
    redis = redis_client()
    recent = f"sql:recent:{workspace_id}:{user_id}"
    pipeline = redis.pipeline()
    pipeline.lpush(recent, statement_id)
    pipeline.expire(recent, KEEP_S)
    pipeline.lrange(recent, KEEP_PER_PERSON, -1)
    pipeline.ltrim(recent, 0, KEEP_PER_PERSON - 1)
    forgotten = pipeline.execute()[2]
    if forgotten:
        redis.delete(*(_key(workspace_id, old.decode()) for old in forgotten))


def load(workspace_id: str, statement_id: str) -> dict[str, Any] | None:
    """What is kept of the statement; None for one that is unknown or forgotten."""
    kept = redis_client().get(_key(workspace_id, statement_id))
    if kept is None:
        return None
    found: dict[str, Any] = orjson.loads(zlib.decompress(kept))
    return found


def beat(statement_ids: list[str]) -> list[str]:
    """Say that the statements are alive; those that somebody wants to be canceled."""
    pipeline = redis_client().pipeline()
    for statement_id in statement_ids:
        pipeline.set(f"sql:alive:{statement_id}", b"1", ex=ALIVE_S)
        pipeline.exists(f"sql:cancel:{statement_id}")
    answers = pipeline.execute()[1::2]
    return [statement_id for statement_id, is_wanted in zip(statement_ids, answers, strict=True) if is_wanted]


def is_alive(statement_id: str) -> bool:
    return bool(redis_client().exists(f"sql:alive:{statement_id}"))


def ask_to_cancel(statement_id: str) -> None:
    redis_client().set(f"sql:cancel:{statement_id}", b"1", ex=KEEP_S)


def add_to_history(workspace_id: str, entry: dict[str, Any]) -> None:
    redis = redis_client()
    pipeline = redis.pipeline()
    pipeline.lpush(f"sql:history:{workspace_id}", orjson.dumps(entry))
    pipeline.ltrim(f"sql:history:{workspace_id}", 0, HISTORY_LENGTH - 1)
    pipeline.expire(f"sql:history:{workspace_id}", HISTORY_KEPT_S)
    pipeline.execute()


def history(workspace_id: str) -> list[dict[str, Any]]:
    """Statements that have ended, the last one first."""
    return [orjson.loads(entry) for entry in redis_client().lrange(f"sql:history:{workspace_id}", 0, HISTORY_LENGTH - 1)]


def _key(workspace_id: str, statement_id: str) -> str:
    return f"sql:statement:{workspace_id}:{statement_id}"
