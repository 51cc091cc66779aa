"""A client that still sends when it is refused gets its answer; one that never stops is cut off."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from config import lingering
from config.http_protocol import MAX_HEAD_BYTES
from sandbox.asgi_io import WHOLE_ANSWER
from tests.unit.config.web_server import serving

MEGABYTE = b" " * 1024 * 1024
BODY = 8 * MEGABYTE
"""More than the kernel's buffers on both sides hold."""
WITHIN_S = 60


async def _refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers without reading a body: /close says that the connection ends, /stay and /whole do not."""
    close = [(b"connection", b"close")] if scope["path"] == "/close" else []
    headers = [(b"content-length", b"2"), *close]
    if scope["path"] != "/whole" or not scope["extensions"][WHOLE_ANSWER](413, headers, b"no"):
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(_refuse, timeout_keep_alive=1) as found:
        yield found


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)


def wait_for_answer(client: socket.socket) -> None:
    """It has come and is not read: a reset would destroy it."""
    assert client.recv(1, socket.MSG_PEEK) == b"H"


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def head(path: str, fields: str = f"content-length: {len(BODY)}") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: here\r\n{fields}\r\n\r\n".encode()


def send_after_the_answer(port: int, begin: bytes, rest: bytes) -> bytes:
    with connect(port) as client:
        client.sendall(begin)
        wait_for_answer(client)
        client.sendall(rest)
        return read_all(client)


@pytest.mark.parametrize(
    ("begin", "answer"),
    [
        (head("/close"), b"413|no"),
        (head("/stay", f"connection: close\r\ncontent-length: {len(BODY)}"), b"413|no"),
        (head("/whole", f"connection: close\r\ncontent-length: {len(BODY)}"), b"413|no"),
        (b"POST / HTTP/1.1\r\nx: " + b"x" * (MAX_HEAD_BYTES + 1), b"431|"),
    ],
)
async def test_the_answer_is_read_after_the_body_has_been_sent(begin: bytes, answer: bytes, port: int) -> None:
    received = await asyncio.to_thread(send_after_the_answer, port, begin, BODY)
    assert b"|".join((received[9:12], received.partition(b"\r\n\r\n")[2])) == answer


@pytest.mark.parametrize("path", ["/stay", "/whole"])
async def test_a_connection_that_stays_takes_the_next_request_and_ends_when_idle(path: str, port: int) -> None:
    received = await asyncio.to_thread(send_after_the_answer, port, head(path), BODY + head(path, "content-length: 1") + b" ")
    assert received.count(b"HTTP/1.1 413 ") == 2
    assert received.endswith(b"\r\n\r\nno")


@pytest.mark.parametrize("path", ["/close", "/stay"])
async def test_who_never_stops_is_cut_off(path: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_BYTES", len(MEGABYTE))
    sent = await asyncio.to_thread(send_until_cut_off, port, path, lambda client: client.sendall(MEGABYTE))
    assert sent < 64, "megabytes: the bound and what the kernel's buffers hold"


@pytest.mark.parametrize("path", ["/close", "/stay"])
async def test_who_sends_slowly_is_cut_off(path: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_S", 0.2)

    def send_slowly(client: socket.socket) -> None:
        client.sendall(b" ")
        time.sleep(0.01)

    await asyncio.to_thread(send_until_cut_off, port, path, send_slowly)


def send_until_cut_off(port: int, path: str, send: Callable[[socket.socket], None]) -> int:
    """How often it was sent until the connection broke."""
    deadline_s = time.monotonic() + WITHIN_S
    with connect(port) as client:
        client.sendall(head(path, f"content-length: {2**40}"))
        wait_for_answer(client)
        sent = 0
        while time.monotonic() < deadline_s:
            try:
                send(client)
            except OSError:
                return sent
            sent += 1
    raise AssertionError(f"not cut off after {sent}")


async def test_the_end_behind_the_answer_is_seen_at_once(port: int) -> None:
    received = await asyncio.to_thread(send_after_the_answer, port, head("/close"), b"")
    assert received.endswith(b"\r\n\r\nno")
