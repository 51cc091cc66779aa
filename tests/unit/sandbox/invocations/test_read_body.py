"""Reading a body: whole, under the limit, in time, and nothing of a client that left."""

import asyncio
from typing import Any

import pytest

from sandbox.errors import RequestLimitExceeded, RequestTimeout, RequestTooLarge
from sandbox.invocations import bodies as bodies_module
from sandbox.invocations.bodies import MAX_HELD_BYTES, Bodies, ClientGone, Held


def bodies() -> Bodies:
    return Bodies(limit_bytes=10)


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


def test_a_workspace_holds_so_much_and_no_more() -> None:
    held = Held()
    assert held.take("ada", MAX_HELD_BYTES - 5)
    assert held.take("ada", 5)
    assert not held.take("ada", 1)
    assert held.take("bob", MAX_HELD_BYTES), "nobody pays for another workspace"
    held.give_back("ada", 5)
    assert held.take("ada", 5)
    for workspace_id, size in (("ada", MAX_HELD_BYTES), ("bob", MAX_HELD_BYTES)):
        held.give_back(workspace_id, size)
    assert held._bytes == {}, "nothing is kept of who has nothing in hand"


def test_empty_bodies_are_counted_and_given_back() -> None:
    held = Held()
    assert held.take("ada", 0)
    assert held.take("ada", 0)
    held.give_back("ada", 0)
    held.give_back("ada", 0)
    assert held._bytes == {}


async def test_pieces_are_joined() -> None:
    assert await bodies().read(scope(), receiving(piece(b"ab", True), piece(b"cd", False)), "ada") == b"abcd"


@pytest.mark.parametrize("length", [b"11", b"1" * 30, b"-1", b"many"])
async def test_a_declared_length_over_the_limit_is_refused_at_once(length: bytes) -> None:
    with pytest.raises(RequestTooLarge):
        await bodies().read(scope((b"content-length", length)), receiving(), "ada")


async def test_more_than_was_declared_is_refused_when_it_comes() -> None:
    with pytest.raises(RequestTooLarge):
        await bodies().read(scope(), receiving(piece(b"x" * 8, True), piece(b"x" * 8, True)), "ada")


async def test_a_body_that_does_not_come_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies_module, "BODY_TIMEOUT_S", 0.05)
    for begun in ((), (piece(b"a", True),)):
        reading = bodies()
        read = asyncio.create_task(reading.read(scope(), receiving(*begun), "ada"))
        while not read.done():
            await asyncio.sleep(0.02)
            reading.end_slow()
        with pytest.raises(RequestTimeout, match="did not arrive"):
            await read


async def test_a_cancelled_request_stays_cancelled() -> None:
    reading = bodies()
    read = asyncio.create_task(reading.read(scope(), receiving(), "ada"))
    await asyncio.sleep(0)
    reading.end_slow()
    read.cancel()
    with pytest.raises(asyncio.CancelledError):
        await read


async def test_a_client_that_leaves_is_not_answered() -> None:
    with pytest.raises(ClientGone):
        await bodies().read(scope(), receiving(piece(b"{", True), {"type": "http.disconnect"}), "ada")


async def test_half_sent_bodies_of_a_workspace_take_so_much_memory_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies_module, "MAX_HELD_BYTES", 20)
    reading = bodies()

    def half(size: int, workspace_id: str) -> asyncio.Task[bytes]:
        return asyncio.create_task(reading.read(scope(), receiving(piece(b"x" * size, True)), workspace_id))

    begun = [half(9, "ada"), half(9, "ada")]
    await asyncio.sleep(0)
    with pytest.raises(RequestLimitExceeded, match="Send fewer at once"):
        await half(9, "ada")
    assert await reading.read(scope(), receiving(piece(b"x" * 9, True), piece(b"y", False)), "bob") == b"x" * 9 + b"y"
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
    assert await reading.read(scope(), receiving(piece(b"x" * 9, True), piece(b"y", False)), "ada") == b"x" * 9 + b"y"
    assert reading._begun._bytes == {}
