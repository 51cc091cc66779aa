"""Reading request bodies: whole, under the size limit, in time, and nothing of a client that left."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from sandbox.errors import RequestLimitExceeded, RequestTimeout, RequestTooLarge

BODY_TIMEOUT_S = 10.0
MAX_HELD_BYTES = 256 * 1024 * 1024
"""Of one workspace in one gateway: bodies that wait, or are with a replica or provider. Entities that do not start hold them for
minutes, so that a few hundred large requests could take the memory of the whole site."""
TOO_MUCH_HELD = (
    f"The requests of this workspace that are not answered yet have more than {MAX_HELD_BYTES // 2**20} MB. Send fewer at once."
)
OVERDUE = -1.0
"""Stands for the due time of a body whose reading has been ended."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete."""


class Held:
    """How many bytes of bodies each workspace has in hand."""

    def __init__(self) -> None:
        self._bytes: dict[str, int] = {}

    def take(self, workspace_id: str, size: int) -> bool:
        """Count a body; False when that is too much, and then it is not counted."""
        held = self._bytes.get(workspace_id, 0) + size
        if held > MAX_HELD_BYTES:
            return False
        self._bytes[workspace_id] = held
        return True

    def give_back(self, workspace_id: str, size: int) -> None:
        left = self._bytes.get(workspace_id, 0) - size
        if left:
            self._bytes[workspace_id] = left
        else:
            self._bytes.pop(workspace_id, None)


class Bodies:
    """The bodies that are being read in one event loop. Somebody must call `end_slow` a few times a second.

    A timer for each request would cost more than reading its body does (measured: a tenth of the gateway's time).
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._due_s: dict[asyncio.Task[Any], float] = {}
        """By time.monotonic()."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = Held()
        """What has come of bodies that are not whole yet: half-sent ones must not take the memory of the site either."""

    async def read(self, scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], workspace_id: str) -> bytes:
        """The whole body. Raises RequestTooLarge, RequestTimeout after BODY_TIMEOUT_S, RequestLimitExceeded, ClientGone."""
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > self._limit_bytes):
                raise self._too_large()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[Any]", asyncio.current_task(self._loop))
        self._due_s[task] = time.monotonic() + BODY_TIMEOUT_S
        try:
            return await self._whole(receive, workspace_id)
        except asyncio.CancelledError:
            if self._due_s[task] != OVERDUE:
                raise
            task.uncancel()
            raise RequestTimeout(f"The body did not arrive within {BODY_TIMEOUT_S:.0f} s.") from None
        finally:
            del self._due_s[task]

    async def _whole(self, receive: Callable[[], Awaitable[dict[str, Any]]], workspace_id: str) -> bytes:
        first = await self._piece(receive)
        if not first.get("more_body", False):
            body: bytes = first.get("body", b"")
            return body
        held = [0]
        try:
            return await self._joined(first, receive, workspace_id, held)
        finally:
            self._begun.give_back(workspace_id, held[0])

    async def _joined(
        self, message: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], workspace_id: str, held: list[int]
    ) -> bytes:
        """`message` and what follows it; the one number of `held` says how much is counted for the workspace."""
        chunks: list[bytes] = []
        while True:
            chunks.append(message.get("body", b""))
            if not self._begun.take(workspace_id, len(chunks[-1])):
                raise RequestLimitExceeded(TOO_MUCH_HELD)
            held[0] += len(chunks[-1])
            if held[0] > self._limit_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(chunks)
            message = await self._piece(receive)

    async def _piece(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if len(message.get("body", b"")) > self._limit_bytes:
            raise self._too_large()
        return message

    def end_slow(self) -> None:
        """Have every `read` that is past its time raise RequestTimeout."""
        now = time.monotonic()
        for task in [task for task, due_s in self._due_s.items() if OVERDUE < due_s < now]:
            self._due_s[task] = OVERDUE
            task.cancel()

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request body is over the limit of {self._limit_bytes // 2**20} MB. Send fewer rows.")
