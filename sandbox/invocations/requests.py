"""An invocation in the gateway, the message that it goes out with, and the ways out of a queue."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox import live
from sandbox.errors import TemporarilyUnavailable
from sandbox.invocations.answers import Answer, error_answer

MAX_DEATHS_ALONE = 3
"""So many replicas may die while a request is all that they hold; then it is taken for the cause, and answered with an error."""
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
    body: bytes
    """UTF-8 text."""
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

    def resolve(self, answer: Answer) -> None:
        """Answer it, if nobody has."""
        if not self.future.done():
            self.future.set_result(answer)

    def wire(self) -> list[Any]:
        """What a replica is sent of it."""
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


def refuse(requests: list[Request]) -> None:
    """Answer requests that Redis has not taken."""
    answer = error_answer(TemporarilyUnavailable("The request queue is not reachable; retry in a second."), retry_after_s=1)
    for request in requests:
        request.resolve(answer)
