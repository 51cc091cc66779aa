"""Request bodies that are kept in Redis once, for the replica that computes them and the drain that logs them (no Django here).

A gateway stores the bodies of a message under one key, which expires: should nobody answer the message, nothing is left. Whoever
answers has the key stay in the same transaction, and names it in the entry of the capture stream. It goes with the entry.
"""

from collections.abc import Sequence
from typing import Any

KEPT_S = 900
"""Three times what any request may take."""
HELD_KEY = "capture:held"
"""Redis hash: key of bodies that wait for the drain beside the stream -> how many bytes they have."""


def bodies_key(reply_list: str, message_id: str) -> str:
    """The Redis string that holds the bodies of a message, one behind the other."""
    return f"bodies:{reply_list}:{message_id}"


def keep_commands(key: str, size_bytes: int) -> list[tuple[str | int, ...]]:
    """What a transaction that puts records of these bodies onto the stream does besides."""
    return [("PERSIST", key), ("HSET", HELD_KEY, key, size_bytes)]


def fetch(redis: Any, keys: Sequence[str]) -> list[bytes | None]:
    """What is kept under each key."""
    return list(redis.mget(keys)) if keys else []


def forget(pipeline: Any, keys: Sequence[str]) -> None:
    """Remove the bodies, through a transaction that removes their entries; to do it again changes nothing."""
    if keys:
        pipeline.unlink(*keys)
        pipeline.hdel(HELD_KEY, *keys)
