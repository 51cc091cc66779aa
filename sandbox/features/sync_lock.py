"""One sync at a time for each online table: a lock in Redis that ends with its holder."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis.client import Pipeline
from redis.exceptions import RedisError, WatchError

from sandbox.connections import redis_client

LOCK_S = 30
_STILL_MINE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], ARGV[2]) else return 0 end"
_LET_GO = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class Overtaken(Exception):
    """The lock is no longer this holder's: another process has taken the sync over, or Redis has come back without it."""


@contextmanager
def lock(table_id: str) -> Iterator[str | None]:
    """Who holds the table; None while somebody else does."""
    redis = redis_client()
    holder = _me()
    is_mine = redis.set(_key(table_id), holder, nx=True, ex=LOCK_S) or _inherit(table_id, holder)
    if not is_mine:
        yield None
        return
    try:
        yield holder
    finally:
        with suppress(RedisError):  # then it ends by itself
            redis.eval(_LET_GO, 1, _key(table_id), holder)


def is_held(table_id: str) -> bool:
    """Whether a process that lives is at work on the table."""
    holder = redis_client().get(_key(table_id))
    return holder is not None and not _is_dead(holder.decode())


def require(table_id: str, holder: str) -> None:
    """Keep the lock for another while. Raises Overtaken."""
    if not redis_client().eval(_STILL_MINE, 1, _key(table_id), holder, LOCK_S):
        raise Overtaken


def transact(table_id: str, holder: str, fill: Callable[[Pipeline], Any]) -> list[Any]:
    """The replies of one transaction that takes effect only while the lock is the holder's. Raises Overtaken."""
    with redis_client().pipeline(transaction=True) as pipeline:
        pipeline.watch(_key(table_id))
        found: Any = pipeline.get(_key(table_id))
        if found is None or found.decode() != holder:
            raise Overtaken
        pipeline.multi()
        fill(pipeline)
        try:
            return list(pipeline.execute())
        except WatchError:
            raise Overtaken from None


def _inherit(table_id: str, holder: str) -> bool:
    """Take the lock of a process of this machine that has died."""
    key = _key(table_id)
    former: Any = redis_client().get(key)
    if former is None or not _is_dead(former.decode()):
        return False
    redis_client().eval(_LET_GO, 1, key, former)
    return bool(redis_client().set(key, holder, nx=True, ex=LOCK_S))


def _me() -> str:
    return f"{socket.gethostname()}|{os.getpid()}|{_started(os.getpid())}|{secrets.token_hex(8)}"


def _is_dead(holder: str) -> bool:
    """Certain only of processes of this machine; of others the lock's time tells."""
    host, pid, started, _ = holder.split("|")
    return host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When the process began, in ticks since the machine did; empty when there is none. A number may be given again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _key(table_id: str) -> str:
    return f"feat:lock:{table_id}"
