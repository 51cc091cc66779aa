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
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox import live
from sandbox.errors import DeadlineExceeded, InternalError, RequestLimitExceeded, TemporarilyUnavailable
from sandbox.invocations.answers import Answer, error_answer
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
MAX_DEATHS_ALONE = 3
"""So many replicas may die while a request is all that they hold; then it is taken for the cause, and answered with an error."""
WAKE_AGAIN_S = 3.0
REPLICA_GRACE_S = 5.0
TAKES_WHILE_DRAINING_S = 1.0
"""For so long a draining replica may still be sent something; a little later (node.DRAIN_S) it reads its queue no more, though it
may work on what it has for minutes."""
TOO_MANY = "Too many concurrent requests. Consider increasing the provisioned concurrency of the served entity."
"""[model-serving-debug page]"""
KILLS_REPLICAS = (
    f"The request was given up: {MAX_DEATHS_ALONE} replicas died while it was all that they held. Check what this input does; "
    "the endpoint's events say more."
)
CHOOSE_AGAIN = Answer(0, b"")
"""Not an answer: the served entity has gone since it was drawn."""


@dataclass(slots=True)
class Request:
    """One invocation on its way; `record` is what capture needs besides the answer."""

    request_id: str
    body: str
    workspace_id: str
    table: str
    requester: str
    received_s: float
    deadline_s: float
    """On time.time()'s clock, because the replica reads it too."""
    future: asyncio.Future[Answer]
    endpoint_name: str = ""
    was_lost: bool = False
    """A replica died while it held this request; from then on it shares no message, so that it takes nobody with it."""
    deaths_alone: int = 0
    """Replicas that died while this request was all that they held."""
    content_type: str = ""
    """Empty for JSON."""

    def wire(self) -> list[Any]:
        known = [self.request_id, self.body, self.workspace_id, self.table, self.requester, self.received_s, self.deadline_s]
        return [*known, self.content_type] if self.content_type else known


@dataclass(slots=True)
class Message:
    """Requests that went to one replica together."""

    message_id: str
    replica_id: str
    requests: list[Request]
    places: int = 1
    """How many of the replica's places it takes up."""


class Redis503(Exception):
    """The message could not be handed to Redis."""


@dataclass
class Wires:
    """How a coalescer reaches the rest: each is one step with one effect."""

    send: Callable[[live.LiveReplica, str, list[list[Any]], str], None]
    """(replica, message_id, requests, model label) -> hands the message to Celery; raises Redis503."""
    wake: Callable[[str], None]
    """(entity_id) -> asks the control plane for a replica."""
    committed: Callable[[str], Any]
    """awaitable (message_id) -> whether the replica committed its answer before it died."""


@dataclass
class Coalescer:
    """The queue of one served entity in one gateway process."""

    entity: live.LiveEntity
    wires: Wires
    snapshot: Any
    waiting: deque[Request] = field(default_factory=deque)
    in_flight: dict[str, Message] = field(default_factory=dict)
    replicas: dict[str, live.LiveReplica] = field(default_factory=dict)
    last_invocation_s: float = 0.0
    waiting_bytes: int = 0
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
        if is_full or self.waiting_bytes + len(request.body) > MAX_WAITING_BYTES:
            request.future.set_result(error_answer(RequestLimitExceeded(TOO_MANY), retry_after_s=1))
            return
        self.waiting.append(request)
        self.waiting_bytes += len(request.body)
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
        is_much = len(self.waiting) >= SECOND_MESSAGE_REQUESTS or self.waiting_bytes >= SECOND_MESSAGE_BYTES
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
            self.waiting_bytes -= len(request.body)
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
            _refuse(requests)
            return
        self.in_flight[message_id] = Message(message_id, replica.replica_id, requests, places)
        self._loads[replica.replica_id] = self._loads.get(replica.replica_id, 0) + places

    def answered(self, message_id: str, answers: list[tuple[int, str]]) -> None:
        """A replica's reply: one (status, body) for each request of the message, in order."""
        message = self._forget(message_id)
        if message is None:
            return  # it was given up on: too late
        for request, (status, body) in zip(message.requests, answers, strict=True):
            _resolve(request, Answer(status, body.encode(), self.entity.name))
        self.pump()

    def lost(self, message_id: str) -> None:
        """Redis went away before it had taken the message."""
        if message := self._forget(message_id):
            _refuse(message.requests)
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
            _resolve(request, error_answer(InternalError(KILLS_REPLICAS)))
        elif not request.future.done():
            self.waiting.appendleft(request)
            self.waiting_bytes += len(request.body)

    def _fail_waiting(self, reason: bytes) -> None:
        answer = error_answer(
            InternalError(f"Served entity {self.entity.name!r} is not running: {orjson.loads(reason)['message']}")
        )
        while self.waiting:
            _resolve(self.waiting.popleft(), answer)
        self.waiting_bytes = 0

    def expire(self, now_s: float) -> None:
        """Answer what is past its deadline; the replica skips such requests too."""
        answer = error_answer(
            DeadlineExceeded("Timed out while evaluating the model. Verify that the model evaluates within the timeout.")
        )
        for request in self.waiting:
            if request.deadline_s < now_s:
                _resolve(request, answer)
        if any(request.future.done() for request in self.waiting):
            self.waiting = deque(request for request in self.waiting if not request.future.done())
            self.waiting_bytes = sum(len(request.body) for request in self.waiting)
        for message in list(self.in_flight.values()):
            # the replica answers (and logs) a timeout itself; only one that says nothing is answered for
            if all(request.deadline_s + REPLICA_GRACE_S < now_s for request in message.requests):
                self._forget(message.message_id)
                for request in message.requests:
                    _resolve(request, answer)

    @property
    def is_stranded(self) -> bool:
        """Whether requests wait and no replica is left to send them to."""
        return bool(self.waiting) and self._known and not self._has_ready and not self._draining_but_reading()

    def release(self) -> None:
        """The entity is served no more: have every waiting request choose again."""
        while self.waiting:
            _resolve(self.waiting.popleft(), CHOOSE_AGAIN)
        self.waiting_bytes = 0

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.in_flight


def _refuse(requests: list[Request]) -> None:
    answer = error_answer(TemporarilyUnavailable("The request queue is not reachable; retry in a second."), retry_after_s=1)
    for request in requests:
        _resolve(request, answer)


def _resolve(request: Request, answer: Answer) -> None:
    if not request.future.done():
        request.future.set_result(answer)
