"""Reading a body: whole, under the limit, in time, and nothing of a client that left."""

import asyncio
from typing import Any

import pytest

from sandbox.errors import RequestTimeout, RequestTooLarge
from sandbox.invocations import gateway as gateway_module
from sandbox.invocations.gateway import ClientGone, Gateway


async def nobody(sha256: str) -> None:
    return None


def gateway() -> Gateway:
    return Gateway("redis://127.0.0.1:1/0", nobody, body_limit_bytes=10, timeout_s=1.0)


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"headers": list(headers)}


def receiving(*messages: dict[str, Any]) -> Any:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.sleep(60)
        return left.pop(0)

    return receive


def piece(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_pieces_are_joined() -> None:
    assert await gateway().read_body(scope(), receiving(piece(b"ab", True), piece(b"cd", False))) == b"abcd"


@pytest.mark.parametrize("length", [b"11", b"1" * 30, b"-1", b"many"])
async def test_a_declared_length_over_the_limit_is_refused_at_once(length: bytes) -> None:
    with pytest.raises(RequestTooLarge):
        await gateway().read_body(scope((b"content-length", length)), receiving())


async def test_more_than_was_declared_is_refused_when_it_comes() -> None:
    with pytest.raises(RequestTooLarge):
        await gateway().read_body(scope(), receiving(piece(b"x" * 8, True), piece(b"x" * 8, True)))


async def test_a_body_that_does_not_come_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "BODY_TIMEOUT_S", 0.05)
    for begun in ((), (piece(b"a", True),)):
        with pytest.raises(RequestTimeout):
            await gateway().read_body(scope(), receiving(*begun))


async def test_a_client_that_leaves_is_not_answered() -> None:
    with pytest.raises(ClientGone):
        await gateway().read_body(scope(), receiving(piece(b"{", True), {"type": "http.disconnect"}))
