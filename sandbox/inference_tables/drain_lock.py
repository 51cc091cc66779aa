"""One drain at a time: a lock in Redis that frees itself a few seconds after its holder was killed."""

import secrets
from typing import Any

LOCK_KEY = "capture:lock"
LOCK_MS = 4_000

_EXTEND = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class LockLost(Exception):
    """The lock expired under a holder that was too slow, and may belong to another one now."""


class DrainLock:
    """Held by the process that knows its value.

    Two drains at once would still be correct, because a table refuses a second writer of the same application; the
    lock saves the work.
    """

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._value = secrets.token_hex(8)

    def acquire(self) -> bool:
        return bool(self._redis.set(LOCK_KEY, self._value, nx=True, px=LOCK_MS))

    def extend(self) -> None:
        """Hold it for another `LOCK_MS`; LockLost when it is not ours any more."""
        if not self._redis.eval(_EXTEND, 1, LOCK_KEY, self._value, LOCK_MS):
            raise LockLost

    def release(self) -> None:
        self._redis.eval(_RELEASE, 1, LOCK_KEY, self._value)
