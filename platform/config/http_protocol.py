"""uvicorn's HTTP protocol with bounds on a request's head, answers in one piece, and closing that does not lose the answer."""

import asyncio
import functools
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from config.lingering import LingeringTransport
from sandbox.asgi_io import WHOLE_ANSWER, HeaderList

HEAD_TIMEOUT_S = 10.0
"""From the first byte of a head to its last, and from the connection to the end of its first head."""
MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers; one read may go over it."""
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHeads(HttpToolsProtocol):
    """A head that comes whole, as nearly all do, costs two comparisons.

    A body may be refused before its end. Then the rest is thrown away in the bounds of `config.lingering`, whether the connection
    is closed or goes on with the next request.
    """

    transport: Any
    _is_in_head = False
    _is_in_body = False
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(LingeringTransport(transport, self.loop, self._may_send_more))  # type: ignore[arg-type]  # by its methods
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._end_late)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_discarding:
            self.transport.discarded(len(data))
        if self.transport.is_lingering:
            return
        super().data_received(data)
        if self._is_in_head:
            self._watch(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        if self.timeout_keep_alive_task is not None:  # a refused body ended in the same piece
            self._unset_keepalive_if_required()

    def on_headers_complete(self) -> None:
        self._is_in_head, self._is_in_body = False, True
        if self._timer is not None:
            self._forget()
        super().on_headers_complete()
        if self.cycle is not None:
            extensions: dict[str, Any] = {WHOLE_ANSWER: functools.partial(answer_whole, self.cycle)}
            self.scope["extensions"] = extensions

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()
        if self.transport.is_discarding:
            self.transport.stop_discarding()
            # uvicorn arms this timer with the answer, and what came after it has stopped it
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_in_body and self.cycle.response_complete and not self.transport.is_closing():
            self.transport.discard()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self.transport.stop_discarding()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_lingering:
            self.transport.hang_up()

    def _may_send_more(self) -> bool:
        return self._is_in_head or self._is_in_body

    def _watch(self, received_bytes: int) -> None:
        self._head_bytes += received_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._end(_TOO_LARGE)
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._end_late)

    def _forget(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_late(self) -> None:
        self._end(_TOO_LATE)
        self.transport.hang_up()  # who sends that slowly has nothing on its way

    def _end(self, answer: bytes) -> None:
        self._forget()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


def answer_whole(cycle: RequestResponseCycle, status: int, headers: HeaderList, body: bytes) -> bool:
    """Write the answer at once, as `sandbox.asgi_io.WHOLE_ANSWER` promises.

    uvicorn's `send` takes two steps and two regular expressions for each header (a sixth of the gateway's time, measured).
    """
    if cycle.disconnected or cycle.response_started or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return False
    content = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        if b"\n" in value or b"\r" in value:
            return False
        content += (name, b": ", value, b"\r\n")
    content.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    content.append(body)
    cycle.transport.write(b"".join(content))
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
