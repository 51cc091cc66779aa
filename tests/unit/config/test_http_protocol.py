"""Request heads that come slowly or never end, the number of connections, and answers in one piece."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from config import http_protocol
from config.http_protocol import MAX_HEAD_BYTES
from sandbox.asgi_io import WHOLE_ANSWER
from tests.unit.config.web_server import serving

HELLO = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    async with serving(getattr(request, "param", _app), limit_concurrency=4) as found:
        yield found


@pytest.fixture
def heads_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.2)


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def status(reader: asyncio.StreamReader) -> bytes:
    line = await asyncio.wait_for(reader.readline(), 60)
    return line.split()[1] if line else b""


@pytest.mark.usefixtures("heads_in_a_hurry")
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: he", b"GE"])
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes, port: int) -> None:
    reader, writer = await connect(port)
    writer.write(sent)
    assert await status(reader) == b"408"
    assert await asyncio.wait_for(reader.read(), 60) == b"connection: close\r\ncontent-length: 0\r\n\r\n"
    writer.close()


@pytest.mark.usefixtures("heads_in_a_hurry")
async def test_so_does_the_second_head_of_a_connection(port: int) -> None:
    reader, writer = await connect(port)
    writer.write(HELLO)
    assert await status(reader) == b"200"
    await reader.readuntil(b"ok")
    await asyncio.sleep(0.3)  # longer than a head may take: between requests nothing is awaited
    writer.write(HELLO[:10])
    assert await status(reader) == b"408"
    writer.close()


async def test_a_head_without_end_is_cut(port: int) -> None:
    reader, writer = await connect(port)
    writer.write(b"GET / HTTP/1.1\r\n")
    for number in range(2 * MAX_HEAD_BYTES // 1024):
        writer.write(b"x-%d: %s\r\n" % (number, b"a" * 1024))
    assert await status(reader) == b"431"
    writer.close()


async def test_a_head_in_pieces_is_read(port: int) -> None:
    reader, writer = await connect(port)
    for piece in (HELLO[:5], HELLO[5:20], HELLO[20:]):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    assert await status(reader) == b"200"
    writer.close()


async def test_more_connections_than_allowed_are_refused(port: int) -> None:
    opened = [await connect(port) for _ in range(5)]
    reader, writer = opened[-1]
    writer.write(HELLO)
    assert await status(reader) == b"503"
    for _, each in opened:
        each.close()


async def _whole(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers in one piece where it may; the path says what stands in a header."""
    headers = [(b"content-length", b"2"), (b"x-path", unquote_to_bytes(scope["path"]))]
    if not scope["extensions"][WHOLE_ANSWER](200, headers, b"ok"):
        await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})


@pytest.mark.parametrize("port", [_whole], indirect=True)
@pytest.mark.parametrize(
    ("requests", "answers"),
    [
        (b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nconnection: close\r\n\r\n", [b"/a|ok", b"/b|close|ok"]),
        (b"GET /a HTTP/1.0\r\n\r\n", [b"/a|close|ok"]),
        (b"HEAD /a HTTP/1.0\r\n\r\n", [b"500|close|"]),
        (b"GET /%0D%0Aset-cookie:%20a HTTP/1.0\r\n\r\n", [b"500|close|no"]),
    ],
)
async def test_a_whole_answer_is_written_as_usual(requests: bytes, answers: list[bytes], port: int) -> None:
    reader, writer = await connect(port)
    writer.write(requests)
    received = await asyncio.wait_for(reader.read(), 60)
    assert [_in_short(each) for each in received.split(b"HTTP/1.1 ")[1:]] == answers
    writer.close()


def _in_short(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    found = [lines.get(b"x-path", head[:3]), lines.get(b"connection"), body]
    return b"|".join(each for each in found if each is not None)
