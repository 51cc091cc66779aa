"""Closing a connection whose client still sends: what comes is read and thrown away, so that the client gets its answer.

A socket that is closed with unread bytes makes the kernel reset the connection, and the reset destroys an answer that has arrived
but that the client, still writing, has not read. nginx lingers for the same reason (`lingering_close`).
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

LINGER_S = 30.0
"""nginx's `lingering_time`. An idle connection may stay for longer than that, so nobody gains by sending slowly."""
LINGER_BYTES = 1024 * 1024 * 1024
"""Twice the largest body that any call takes: who is over a limit hears it, who sends without end does not hold on to us."""


class LingeringTransport:
    """A transport that can throw away what comes, and whose `close` does so while the client may be in the middle of a request.

    Args:
        may_send_more: whether it is.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, may_send_more: Callable[[], bool]) -> None:
        self._transport, self._loop, self._may_send_more = transport, loop, may_send_more
        self.write = transport.write  # every answer goes through it: no step more than before
        self.is_discarding = False
        self.is_lingering = False
        """Our side is closed: nothing that comes is answered."""
        self._left_bytes = LINGER_BYTES
        self._timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.is_lingering or bool(self._transport.is_closing())

    def close(self) -> None:
        """Say that nothing follows the answer, and close when the client does; at once when it has nothing more to send."""
        if self.is_closing():
            return
        if not self._may_send_more():
            self.hang_up()
            return
        self.is_lingering = True
        self.discard()
        with contextlib.suppress(OSError):  # the client has gone: connection_lost is on its way
            self._transport.write_eof()
        self._transport.resume_reading()

    def discard(self) -> None:
        """From now on what comes is counted: the connection is closed after LINGER_BYTES or LINGER_S."""
        if not self.is_discarding:
            self.is_discarding, self._left_bytes = True, LINGER_BYTES
            self._timer = self._loop.call_later(LINGER_S, self.hang_up)

    def discarded(self, size: int) -> None:
        """So many bytes came."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            self.hang_up()

    def stop_discarding(self) -> None:
        """The request has ended after all, or the connection has."""
        self.is_discarding = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hang_up(self) -> None:
        """Close, whatever the client still sends."""
        self.stop_discarding()
        self._transport.close()
