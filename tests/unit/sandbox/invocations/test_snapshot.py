"""The gateway's cache: what is old is read again by one caller, and forgotten when it cannot be read."""

import asyncio
import time

import pytest
import redis

from sandbox import live
from sandbox.invocations import snapshot as snapshot_module
from sandbox.invocations.snapshot import Snapshot

ENDPOINT = live.LiveEndpoint("w", "e", "churn", 1, "", (), (), "main.default.churn_payload")


class Store:
    """The one command of Redis that reading needs, counted; it may be down."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {live.endpoint_key("w", "churn"): ENDPOINT.to_json()}
        self.reads = 0
        self.is_down = False

    async def get(self, key: str) -> bytes | None:
        self.reads += 1
        found = self.values.get(key)
        await asyncio.sleep(0)
        if self.is_down:
            raise redis.ConnectionError("down")
        return found


async def nobody(sha256: str) -> None:
    return None


async def test_a_hundred_callers_read_what_is_old_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    snapshot = Snapshot(store, nobody)
    assert await snapshot.endpoint("w", "churn") == ENDPOINT
    later_s = time.monotonic() + snapshot_module.MAX_AGE_S + 0.1
    monkeypatch.setattr("sandbox.invocations.snapshot.time.monotonic", lambda: later_s)
    found = await asyncio.gather(*(snapshot.endpoint("w", "churn") for _ in range(100)))
    assert found == [ENDPOINT] * 100
    assert store.reads == 2


async def test_five_hundred_callers_read_what_nobody_has_read_once() -> None:
    """A herd after a restart of web: each reading for itself, they took more connections than there are."""
    store = Store()
    snapshot = Snapshot(store, nobody)
    found = await asyncio.gather(*(snapshot.endpoint("w", "churn") for _ in range(500)))
    assert found == [ENDPOINT] * 500
    assert store.reads == 1


async def test_one_caller_who_goes_away_takes_nothing_from_the_others() -> None:
    store = Store()
    snapshot = Snapshot(store, nobody)
    first, second = (asyncio.create_task(snapshot.endpoint("w", "churn")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ENDPOINT
    assert store.reads == 1


async def test_a_reading_that_began_before_a_change_is_neither_joined_nor_kept() -> None:
    store = Store()
    snapshot = Snapshot(store, nobody)
    before = asyncio.create_task(snapshot.endpoint("w", "churn"))
    for _ in range(2):
        await asyncio.sleep(0)
    assert store.reads == 1
    key = live.endpoint_key("w", "churn")
    newer = live.LiveEndpoint("w", "e", "churn", 2, "", (), (), "")
    store.values[key] = newer.to_json()
    snapshot._changed(key)
    assert await snapshot.endpoint("w", "churn") == newer
    await before
    assert await snapshot.endpoint("w", "churn") == newer


async def test_what_cannot_be_read_again_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    snapshot = Snapshot(store, nobody)
    await snapshot.endpoint("w", "churn")
    monkeypatch.setattr(snapshot_module, "MAX_AGE_S", 0.0)
    store.is_down = True
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            await snapshot.endpoint("w", "churn")
    store.is_down = False
    store.values.clear()
    assert await snapshot.endpoint("w", "churn") is None


async def test_a_change_is_seen_at_once() -> None:
    store = Store()
    snapshot = Snapshot(store, nobody)
    await snapshot.endpoint("w", "churn")
    key = live.endpoint_key("w", "churn")
    del store.values[key]
    snapshot._changed(key)
    assert await snapshot.endpoint("w", "churn") is None
