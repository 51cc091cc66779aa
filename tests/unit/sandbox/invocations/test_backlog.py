"""The gateway takes no calls that it could not log, until there is room again."""

import pytest
import redis as redis_package
import redis.asyncio

from sandbox.inference_tables import bodies, capture
from sandbox.invocations import backlog
from sandbox.invocations.backlog import Backlog

MIB = 1024 * 1024


async def test_full_and_with_room_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_BYTES", 10 * MIB)
    monkeypatch.setattr(backlog, "ROOM_BYTES", 8 * MIB)
    store = redis_package.Redis.from_url(redis_url)
    store.delete(capture.STREAM)
    gateways = redis.asyncio.Redis.from_url(redis_url)
    found = []
    watched = Backlog()
    for entries in (0, 90, 110, 90, 70):  # of 100 kB each
        store.xtrim(capture.STREAM, maxlen=entries, approximate=False)
        while store.xlen(capture.STREAM) < entries:
            store.xadd(capture.STREAM, {capture.FIELD: b"x" * 100_000})
        await watched.look(gateways)
        found.append(watched.is_full)
    assert found == [False, False, True, True, False]
    store.delete(capture.STREAM)
    for held_bytes in (9 * MIB, 11 * MIB, 7 * MIB):  # bodies beside the stream count too
        store.hset(bodies.HELD_KEY, mapping={"one": MIB, "another": held_bytes - MIB})
        await watched.look(gateways)
        found.append(watched.is_full)
    assert found[5:] == [False, True, False]
    store.delete(bodies.HELD_KEY)
    await gateways.aclose()
