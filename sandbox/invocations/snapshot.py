"""The gateway's cache of `sandbox.live`: endpoints, tokens and replicas, dropped when Redis says so.

A message on the channel `live` drops an entry at once; the age limit covers a message that was lost.
"""

import asyncio
import functools
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox import live

logger = logging.getLogger(__name__)
MAX_AGE_S = 0.5
MAX_ENTRIES = 10_000
_NEVER: Any = object()

LoadToken = Callable[[str], Awaitable[live.LiveToken | None]]


class Snapshot:
    """Reads through to Redis; every method may be awaited from many requests at once."""

    def __init__(self, redis: Any, load_token: LoadToken) -> None:
        self._redis = redis
        self._load_token = load_token
        self._entries: dict[str, tuple[float, Any]] = {}
        self._readings: dict[str, asyncio.Future[Any]] = {}
        self._on_change: list[Callable[[str], None]] = []

    def subscribe(self, callback: Callable[[str], None]) -> None:
        """`callback(key)` is called whenever the control plane or a node changed `key`."""
        self._on_change.append(callback)

    def _cached(self, key: str) -> Any:
        """What is known of `key`. Of the callers that find it too old one is told _NEVER and reads it anew; the others go on
        with the old value meanwhile, or a hundred requests at once would read the same key a hundred times.
        """
        entry = self._entries.get(key)
        if entry is None:
            return _NEVER
        now = time.monotonic()
        if now - entry[0] < MAX_AGE_S:
            return entry[1]
        self._entries[key] = (now, entry[1])
        return _NEVER

    async def _refreshed(self, key: str, read: Callable[[], Awaitable[Any]]) -> Any:
        """What `read` finds, kept; when it fails, what was known of `key` is forgotten.

        Whoever asks meanwhile waits for the same reading: five hundred requests for what nobody has read yet would take more
        connections than there are. No reading is joined, or kept, that began before the last change.
        """
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = asyncio.ensure_future(self._read(key, read))
            reading.add_done_callback(_looked_at)
        return await asyncio.shield(reading)  # one caller who goes away does not take the answer from the others

    async def _read(self, key: str, read: Callable[[], Awaitable[Any]]) -> Any:
        own = asyncio.current_task()
        try:
            value = await read()
            if self._readings.get(key) is own:
                self._keep(key, value)
            return value
        except BaseException:
            self._entries.pop(key, None)
            raise
        finally:
            if self._readings.get(key) is own:
                del self._readings[key]

    def _keep(self, key: str, value: Any) -> Any:
        if len(self._entries) >= MAX_ENTRIES:
            self._entries.clear()
        self._entries[key] = (time.monotonic(), value)
        return value

    async def token(self, plain: bytes) -> live.LiveToken | None:
        """Who the bearer token speaks for; None for an unknown, revoked or expired one."""
        sha256 = hashlib.sha256(plain).hexdigest()
        key = live.token_key(sha256)
        found = self._cached(key)
        if found is _NEVER:
            found = await self._refreshed(key, lambda: self._read_token(key, sha256))
        if found is not None and found.expires_at_s and found.expires_at_s < time.time():
            return None
        return found  # type: ignore[no-any-return]  # the cache holds tokens and endpoints

    async def _read_token(self, key: str, sha256: str) -> live.LiveToken | None:
        data = await self._redis.get(key)
        found = live.LiveToken.from_json(data) if data else None
        if found is None or not found.user_id:  # Redis was emptied, or filled before tokens named their person
            found = await self._load_token(sha256)
        return found

    async def endpoint(self, workspace_id: str, name: str) -> live.LiveEndpoint | None:
        """The endpoint in that workspace, else the preconfigured one of that name, else None."""
        for owner in (workspace_id, live.SYSTEM_WORKSPACE) if name.startswith("databricks-") else (workspace_id,):
            key = live.endpoint_key(owner, name)
            found = self._cached(key)
            if found is _NEVER:
                found = await self._refreshed(key, functools.partial(self._read_endpoint, key))
            if found is not None:
                return found  # type: ignore[no-any-return]  # the cache holds tokens and endpoints
        return None

    async def _read_endpoint(self, key: str) -> live.LiveEndpoint | None:
        data = await self._redis.get(key)
        return live.LiveEndpoint.from_json(data) if data else None

    async def endpoint_names(self, workspace_id: str) -> list[str]:
        """Names of every endpoint that the workspace can query, sorted."""
        names = []
        for owner in (workspace_id, live.SYSTEM_WORKSPACE):
            prefix = live.endpoint_key(owner, "")
            names += [key.decode()[len(prefix) :] async for key in self._redis.scan_iter(match=prefix + "*", count=500)]
        return sorted(set(names))

    async def replicas(self, entity_id: str) -> dict[str, live.LiveReplica]:
        """All announced replicas by id, draining ones included; never from the cache."""
        values = await self._redis.hvals(live.replicas_key(entity_id))
        found = [live.LiveReplica.from_json(value) for value in values]
        return {replica.replica_id: replica for replica in found}

    async def failure(self, entity_id: str) -> bytes:
        """JSON with the message why the entity cannot start; empty when it can."""
        found: bytes | None = await self._redis.get(live.failure_key(entity_id))
        return found or b""

    async def follow(self) -> None:
        """Listen on the channel for ever, reconnecting; a reconnect forgets everything cached."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(live.CHANNEL)
                    self._entries.clear()
                    self._readings.clear()
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
                        if message:
                            self._changed(message["data"].decode())
            except Exception as error:  # the loop must outlive every fault of Redis
                logger.warning("snapshot channel lost (%s), reconnecting", error)
                await asyncio.sleep(0.2)

    def _changed(self, key: str) -> None:
        self._entries.pop(key, None)
        self._readings.pop(key, None)
        for callback in self._on_change:
            callback(key)


def _looked_at(reading: asyncio.Future[Any]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not reading.cancelled():
        reading.exception()
