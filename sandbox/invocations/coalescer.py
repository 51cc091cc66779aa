"""Gathers the requests of one served entity into few messages to its replicas.

A free replica is sent what is queued as soon as the event loop has handed on all that had arrived: what came together goes
together. While it computes, arriving requests queue; a second message goes out ahead of its answer only when
SECOND_MESSAGE_REQUESTS wait, or SECOND_MESSAGE_BYTES, because each message has a fixed cost on all sides (at most
IN_FLIGHT_PER_REPLICA are out). When an answer returns, everything queued goes. No timer: a lone request never waits.
"""

import asyncio
import itertools
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox import live
from sandbox.errors import DeadlineExceeded, InternalError, RequestLimitExceeded
from sandbox.invocations.answers import Answer, error_answer
from sandbox.invocations.requests import (
    CHOOSE_AGAIN,
    KILLS_REPLICAS,
    MAX_DEATHS_ALONE,
    TOO_MANY,
    Message,
    Redis503,
    Request,
    Wires,
    refuse,
)
from sandbox.invocations.waiting import Waiting
from sandbox.replicas.messages import PYFUNC_PLACES

logger = logging.getLogger(__name__)
IN_FLIGHT_PER_REPLICA = 2
SECOND_MESSAGE_REQUESTS = 32
SECOND_MESSAGE_BYTES = 128 * 1024
"""A few hundred rows: to compute them takes several times what a message costs."""
MAX_MESSAGE_REQUESTS = 256
MAX_MESSAGE_BYTES = 1024 * 1024
WAITING_PER_CONCURRENCY = 256
"""Requests that may wait for each unit of the largest provisioned concurrency (Small: 1,024). The documentation says that short
bursts queue and more is refused, not how much; a model that answers in milliseconds never gets there."""
MAX_WAITING_BYTES = 256 * 1024 * 1024
MIN_SHARE_REQUESTS = 8
"""Fewer are not split between replicas: each message has its cost."""
WAKE_AGAIN_S = 3.0
REPLICA_GRACE_S = 5.0
TAKES_WHILE_DRAINING_S = 1.0
"""For so long a draining replica may still be sent something; a little later (node.DRAIN_S) it reads its queue no more, though it
may work on what it has for minutes."""


@dataclass
class Coalescer:
    """The queue of one served entity in one gateway process."""

    entity: live.LiveEntity
    wires: Wires
    snapshot: Any
    waiting: Waiting = field(default_factory=Waiting)
    in_flight: dict[str, Message] = field(default_factory=dict)
    replicas: dict[str, live.LiveReplica] = field(default_factory=dict)
    last_invocation_s: float = 0.0
    _loads: dict[str, int] = field(default_factory=dict)
    _woken_s: float = 0.0
    _known: bool = False
    """Whether the replicas have been read once: before that, none in sight means nothing."""
    _refreshing: bool = False
    _is_outdated: bool = False
    """A change was announced while the replicas were being read: what is read may be older."""
    _draining_since_s: dict[str, float] = field(default_factory=dict)
    """When a draining replica was first seen to, on time.monotonic()'s clock."""
    _is_due: bool = False
    """`pump` is about to be called."""
    _ids: Any = field(default_factory=itertools.count)
    _refresh_task: asyncio.Future[None] | None = None

    def submit(self, request: Request) -> None:
        """Queue the request; its future gets the answer."""
        self.last_invocation_s = request.received_s
        is_full = len(self.waiting) >= WAITING_PER_CONCURRENCY * self.entity.max_concurrency
        if is_full or self.waiting.size_bytes + len(request.body) > MAX_WAITING_BYTES:
            request.future.set_result(error_answer(RequestLimitExceeded(TOO_MANY), retry_after_s=1))
            return
        self.waiting.append(request)
        if self._is_due:
            return
        if self._free_replica() is None:
            self.pump()
        else:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.pump)

    @property
    def held_up(self) -> int:
        """How many requests wait for a replica to become free."""
        return 0 if self._is_due else len(self.waiting)

    def pump(self) -> None:
        """Send what is queued while a ready replica has a free place."""
        self._is_due = False
        while self.waiting:
            replica = self._free_replica()
            if replica is None:
                if not self._has_ready:
                    self._ask_for_replica()
                return
            self._send(replica, self._take(self._share()))

    def _free_replica(self) -> live.LiveReplica | None:
        """The least loaded replica with a free place; one that drains only when there is no other."""
        ready = [replica for replica in self.replicas.values() if not replica.draining] or self._draining_but_reading()
        best, least = None, self._places()
        for replica in ready:
            load = self._loads.get(replica.replica_id, 0)
            if load < least:
                best, least = replica, load
        return best

    @property
    def _has_ready(self) -> bool:
        return any(not replica.draining for replica in self.replicas.values())

    def _draining_but_reading(self) -> list[live.LiveReplica]:
        latest_s = time.monotonic() - TAKES_WHILE_DRAINING_S
        return [replica for replica in self.replicas.values() if self._draining_since_s.get(replica.replica_id, 0.0) > latest_s]

    def _places(self) -> int:
        """How many messages may be out to one replica now. One of a pyfunc model computes several requests side by side."""
        if self._is_one_by_one:
            return PYFUNC_PLACES
        if self.waiting and self.waiting[0].was_lost:
            return 1
        is_much = len(self.waiting) >= SECOND_MESSAGE_REQUESTS or self.waiting.size_bytes >= SECOND_MESSAGE_BYTES
        return IN_FLIGHT_PER_REPLICA if is_much else 1

    def _share(self) -> int:
        """How many of the waiting requests one replica is sent: as many as each other one that is free."""
        if self._is_one_by_one:
            return 1
        free = len(self.replicas) - len(self._loads)
        return MAX_MESSAGE_REQUESTS if free < 2 else max(MIN_SHARE_REQUESTS, -(-len(self.waiting) // free))

    @property
    def _is_one_by_one(self) -> bool:
        """A model that is served as it is may hang on one request, so no other one shares its message."""
        return self.entity.runtime == "pyfunc"

    def _take(self, most: int) -> list[Request]:
        taken: list[Request] = []
        size = 0
        while self.waiting and len(taken) < min(most, MAX_MESSAGE_REQUESTS):
            size += len(self.waiting[0].body)
            if taken and size > MAX_MESSAGE_BYTES:
                break
            if taken and self.waiting[0].was_lost:
                break
            request = self.waiting.popleft()
            if not request.future.done():
                taken.append(request)
            if request.was_lost:
                break
        return taken

    def _send(self, replica: live.LiveReplica, requests: list[Request]) -> None:
        if not requests:
            return
        message_id = f"{self.entity.entity_id}.{next(self._ids)}"
        places = IN_FLIGHT_PER_REPLICA if requests[0].was_lost and not self._is_one_by_one else 1
        try:
            self.wires.send(replica, message_id, [request.wire() for request in requests], self.entity.name)
        except Redis503:
            refuse(requests)
            return
        self.in_flight[message_id] = Message(message_id, replica.replica_id, requests, places)
        self._loads[replica.replica_id] = self._loads.get(replica.replica_id, 0) + places

    def answered(self, message_id: str, answers: list[tuple[int, str]]) -> None:
        """A replica's reply: one (status, body) for each request of the message, in order."""
        message = self._forget(message_id)
        if message is None:
            return  # it was given up on: too late
        for request, (status, body) in zip(message.requests, answers, strict=True):
            request.resolve(Answer(status, body.encode(), self.entity.name))
        self.pump()

    def lost(self, message_id: str) -> None:
        """Redis went away before it had taken the message."""
        if message := self._forget(message_id):
            refuse(message.requests)
            self.pump()

    def _forget(self, message_id: str) -> Message | None:
        message = self.in_flight.pop(message_id, None)
        if message is not None:
            left = self._loads.get(message.replica_id, 0) - message.places
            if left > 0:
                self._loads[message.replica_id] = left
            else:
                self._loads.pop(message.replica_id, None)
        return message

    # --- replicas come and go ---------------------------------------------------------------

    def _ask_for_replica(self) -> None:
        now = time.monotonic()
        if not self._known:
            self.spawn_refresh()
        elif now - self._woken_s > WAKE_AGAIN_S:
            self._woken_s = now
            self.wires.wake(self.entity.entity_id)

    def spawn_refresh(self) -> None:
        """Refresh soon, from code that cannot wait."""
        task = asyncio.ensure_future(self.refresh())
        self._refresh_task = task  # the event loop keeps only weak references to tasks

    async def refresh(self) -> None:
        """Read the entity's replicas anew; give the requests of dead ones to the living."""
        if self._refreshing:
            self._is_outdated = True
            return
        self._refreshing, self._is_outdated = True, False
        try:
            self._keep(await self.snapshot.replicas(self.entity.entity_id))
            await self._recover_lost()
            if self.waiting and not self.replicas and (reason := await self.snapshot.failure(self.entity.entity_id)):
                self._fail_waiting(reason)
            if self._has_ready:
                self._woken_s = 0.0
        except Exception as error:  # Redis is away: the next change or sweep tries again
            logger.warning("replicas of %s not read: %s", self.entity.name, error)
        finally:
            self._refreshing = False
        self.pump()
        if self._is_outdated:
            self.spawn_refresh()

    def _keep(self, found: dict[str, live.LiveReplica]) -> None:
        now_s, before = time.monotonic(), self._draining_since_s
        self._draining_since_s = {key: before.get(key, now_s) for key, replica in found.items() if replica.draining}
        self.replicas, self._known = found, True

    async def _recover_lost(self) -> None:
        """Queue again what a dead replica had not answered (its commit key tells)."""
        lost = [message for message in self.in_flight.values() if message.replica_id not in self.replicas]
        held = Counter(message.replica_id for message in lost)
        for message in lost:
            if await self.wires.committed(message.message_id):
                continue  # answered and captured; the reply is on its way to us
            if self._forget(message.message_id) is not None:
                was_alone = len(message.requests) == held[message.replica_id] == 1
                for request in reversed(message.requests):
                    self._queue_again(request, was_alone=was_alone)

    def _queue_again(self, request: Request, *, was_alone: bool) -> None:
        """Put what a dead replica held at the head of the queue; what died with too many on its own is given up."""
        request.was_lost = True
        request.deaths_alone += was_alone
        if request.deaths_alone >= MAX_DEATHS_ALONE:
            request.resolve(error_answer(InternalError(KILLS_REPLICAS)))
        elif not request.future.done():
            self.waiting.appendleft(request)

    def _fail_waiting(self, reason: bytes) -> None:
        answer = error_answer(
            InternalError(f"Served entity {self.entity.name!r} is not running: {orjson.loads(reason)['message']}")
        )
        self.waiting.resolve_all(answer)

    def expire(self, now_s: float) -> None:
        """Answer what is past its deadline; the replica skips such requests too."""
        answer = error_answer(
            DeadlineExceeded("Timed out while evaluating the model. Verify that the model evaluates within the timeout.")
        )
        self.waiting.resolve_late(answer, now_s)
        for message in list(self.in_flight.values()):
            # the replica answers (and logs) a timeout itself; only one that says nothing is answered for
            if all(request.deadline_s + REPLICA_GRACE_S < now_s for request in message.requests):
                self._forget(message.message_id)
                for request in message.requests:
                    request.resolve(answer)

    @property
    def is_stranded(self) -> bool:
        """Whether requests wait and no replica is left to send them to."""
        return bool(self.waiting) and self._known and not self._has_ready and not self._draining_but_reading()

    def release(self) -> None:
        """The entity is served no more: have every waiting request choose again."""
        self.waiting.resolve_all(CHOOSE_AGAIN)

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.in_flight
