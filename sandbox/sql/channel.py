"""What goes between the site and a jailed statement over one stream socket: frames of a kind, a length and bytes.

The jailed side is not trusted: lengths are capped, and nothing that it sends is unpickled.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Sequence

FRAME = struct.Struct("!cQ")
START, TABLES, RESULT, ROWS, PART, CALL, ANSWER = b"S", b"T", b"R", b"A", b"P", b"C", b"V"
"""To the child: how it begins, and the answer to a call. From it: its result, rows to be
written and parts of a result (both Arrow), a call."""
FILES_AT_ONCE = 200
"""The kernel takes at most 253 descriptors in one message."""


class Gone(Exception):
    """The other end closed."""


class TooSlow(Exception):
    """The deadline is over."""


class TooMuch(Exception):
    """The other end sends more than it may."""


def send(channel: socket.socket, kind: bytes, content: bytes, deadline_s: float | None = None) -> None:
    """Send one frame. Raises Gone, TooSlow."""
    data = memoryview(FRAME.pack(kind, len(content)) + content)
    descriptor = channel.fileno()
    try:
        while data:
            _wait(descriptor, select.POLLOUT, deadline_s)
            data = data[os.write(descriptor, data[: 1 << 20]) :]
    except (BrokenPipeError, ConnectionResetError):
        raise Gone from None


def receive(channel: socket.socket, largest_bytes: int, deadline_s: float | None = None) -> tuple[bytes, bytes]:
    """The next frame. Raises Gone, TooSlow, TooMuch."""
    kind, length = FRAME.unpack(_exactly(channel, FRAME.size, deadline_s))
    if length > largest_bytes:
        raise TooMuch
    return kind, _exactly(channel, length, deadline_s)


def send_files(channel: socket.socket, descriptors: Sequence[int]) -> None:
    """Hand descriptors over, in order; the other side knows how many. Raises Gone."""
    try:
        for start in range(0, len(descriptors), FILES_AT_ONCE):
            socket.send_fds(channel, [b"F"], descriptors[start : start + FILES_AT_ONCE])
    except (BrokenPipeError, ConnectionResetError):
        raise Gone from None


def receive_files(channel: socket.socket, count: int) -> list[int]:
    """The inverse of `send_files`. Raises Gone."""
    found: list[int] = []
    while len(found) < count:
        word, descriptors, _, _ = socket.recv_fds(channel, 1, FILES_AT_ONCE)
        if not word:
            raise Gone
        found += descriptors
    return found


def _exactly(channel: socket.socket, count: int, deadline_s: float | None) -> bytes:
    # os.read on the descriptor: the jail's filter knows read and write, and no other call on a socket
    descriptor = channel.fileno()
    received = bytearray()
    while len(received) < count:
        _wait(descriptor, select.POLLIN, deadline_s)
        try:
            part = os.read(descriptor, min(count - len(received), 1 << 20))
        except ConnectionResetError:
            raise Gone from None
        if not part:
            raise Gone
        received += part
    return bytes(received)


def _wait(descriptor: int, event: int, deadline_s: float | None) -> None:
    """Until the descriptor can be read or written. Raises TooSlow. The jailed side has no deadline: its filter knows no poll."""
    if deadline_s is None:
        return
    ready = select.poll()  # select.select takes no descriptor above 1,023, and a web process has one for each connection
    ready.register(descriptor, event)
    if not ready.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
        raise TooSlow
