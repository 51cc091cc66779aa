"""The queues of one gateway: the coalescer of each served entity, its replies, its deadlines, its replicas that come and go."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import redis

from sandbox import live
from sandbox.invocations.coalescer import Coalescer
from sandbox.invocations.requests import Wires
from sandbox.invocations.sender import Sender
from sandbox.invocations.snapshot import Snapshot
from sandbox.invocations.wires import send_predict, send_wake
from sandbox.replicas.messages import committed_key

logger = logging.getLogger(__name__)
SWEEP_S = 0.25
IDLE_KEPT_S = 30 * 24 * 3600


class Queues:
    """One per gateway; made inside the event loop. Somebody must run its `loops`."""

    def __init__(self, connections: Any, client: redis.Redis, snapshot: Snapshot) -> None:
        """`connections`: the asynchronous client of Redis; `client`: one that is written to without waiting."""
        self._redis = connections
        self._client = client
        self._snapshot = snapshot
        self._reply_list = f"reply:{uuid.uuid4().hex}"
        self._coalescers: dict[str, Coalescer] = {}
        self._sender = Sender(client)
        self._wires = Wires(send=self._send, wake=self._wake, committed=self._committed)
        snapshot.subscribe(self._changed)

    def of(self, entity: live.LiveEntity) -> Coalescer:
        coalescer = self._coalescers.get(entity.entity_id)
        if coalescer is None:
            coalescer = self._coalescers[entity.entity_id] = Coalescer(entity, self._wires, self._snapshot)
        return coalescer

    def waiting(self, entity_id: str) -> int:
        """How many requests wait for the entity."""
        coalescer = self._coalescers.get(entity_id)
        return len(coalescer.waiting) if coalescer else 0

    def loops(self, each_sweep: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        """What must run for ever; `each_sweep` is called a few times a second."""
        return [self._read_replies(), self._sweep(each_sweep)]

    def _send(self, replica: live.LiveReplica, message_id: str, requests: list[list[Any]], label: str) -> None:
        send_predict(self._sender, replica, self._reply_list, message_id, requests, label)

    def _give_up_lost(self) -> None:
        """Answer the requests of messages that may not have reached Redis."""
        self._sender.settle()
        for message_id in self._sender.take_lost():
            if coalescer := self._coalescers.get(message_id.partition(".")[0]):
                coalescer.lost(message_id)

    def _wake(self, entity_id: str) -> None:
        send_wake(self._client, entity_id)

    async def _committed(self, message_id: str) -> bool:
        return bool(await self._redis.exists(committed_key(self._reply_list, message_id)))

    async def _read_replies(self) -> None:
        """Resolve the waiting requests of each reply that a replica pushes."""
        pool: Any = self._redis.connection_pool
        connection = pool.make_connection()
        command = connection.pack_command("BRPOP", self._reply_list, 30)
        while True:
            try:
                await connection.send_packed_command(command)
                reply = await connection.read_response()
                if reply is not None:
                    message_id, answers = orjson.loads(reply[1])
                    if coalescer := self._coalescers.get(message_id.partition(".")[0]):
                        coalescer.answered(message_id, answers)
            except Exception as error:  # the loop must outlive every fault of Redis
                logger.warning("replies not read (%s), reconnecting", error)
                with contextlib.suppress(redis.RedisError, OSError):
                    await connection.disconnect(nowait=True)
                await asyncio.sleep(0.1)

    def _changed(self, key: str) -> None:
        kind, _, entity_id = key[len("live:") :].partition(":")
        if kind in {"replicas", "failures"} and (coalescer := self._coalescers.get(entity_id)):
            coalescer.spawn_refresh()

    async def _sweep(self, each_sweep: Callable[[], None]) -> None:
        """Deadlines, lost change messages and idle times, a few times a second."""
        reported: dict[str, float] = {}
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                each_sweep()
                self._give_up_lost()
                now_s = time.time()
                for entity_id, coalescer in list(self._coalescers.items()):
                    coalescer.expire(now_s)
                    if not coalescer.is_idle:
                        await coalescer.refresh()
                    if coalescer.is_stranded:
                        await self._release_if_replaced(coalescer)
                    if coalescer.last_invocation_s - reported.get(entity_id, 0.0) > 1.0:
                        await self._redis.set(live.idle_key(entity_id), coalescer.last_invocation_s, ex=IDLE_KEPT_S)
                        reported[entity_id] = coalescer.last_invocation_s
                    if coalescer.is_idle and now_s - coalescer.last_invocation_s > 3600:
                        del self._coalescers[entity_id]
                        reported.pop(entity_id, None)
            except Exception as error:  # as above
                logger.warning("sweep interrupted: %s", error)

    async def _release_if_replaced(self, coalescer: Coalescer) -> None:
        """Requests that were drawn just before an update took their entity away draw again from the new config."""
        first = coalescer.waiting[0]
        endpoint = await self._snapshot.endpoint(first.workspace_id, first.endpoint_name)
        if endpoint is None or all(entity.entity_id != coalescer.entity.entity_id for entity in endpoint.entities):
            coalescer.release()
