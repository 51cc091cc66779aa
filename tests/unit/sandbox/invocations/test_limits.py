"""Rate limits: which rule holds for whom, and that several gateways count as one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import redis.asyncio

from sandbox import live
from sandbox.invocations import limits
from sandbox.invocations.gateway import _pool
from sandbox.invocations.limits import Limits, Rule, count_tokens, rules_for, tokens_of
from sandbox.live import LiveLimit

ADA = live.LiveToken("t1", "w", "ada@example.org", user_id="1")
EVE = live.LiveToken("t2", "w", "eve@example.org", user_id="2")
MID_MINUTE_S = 1_000_000 * 60.0 + 23.4


def endpoint(*given: LiveLimit) -> live.LiveEndpoint:
    return live.LiveEndpoint("w", "e1", "churn", 1, "", (), (), "", limits=given)


@pytest.fixture
async def store(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(limits.time, "time", lambda: MID_MINUTE_S)
    client = redis.asyncio.Redis.from_url(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


async def admitted(gateway: Limits, where: live.LiveEndpoint, token: live.LiveToken, calls: int) -> int:
    return [await gateway.refusal(where, token) for _ in range(calls)].count(None)


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ([LiveLimit("endpoint", 5)], [("calls", [("endpoint", 5)])]),
        ([LiveLimit("endpoint", 5), LiveLimit("endpoint", 3)], [("calls", [("endpoint", 3)])]),
        ([LiveLimit("user", 5, 100)], [("calls", [("user:1", 5)]), ("tokens", [("user:1", 100)])]),
        ([LiveLimit("user", 5), LiveLimit("user", 9, people=frozenset("1"))], [("calls", [("user:1", 9)])]),
        ([LiveLimit("user", 5), LiveLimit("user", 9, people=frozenset("2"))], [("calls", [("user:1", 5)])]),
        ([LiveLimit("user", 5), LiveLimit("group:a", 7, people=frozenset("12"))], [("calls", [("group:a", 7)])]),
        (
            [LiveLimit("user", 4, people=frozenset("1")), LiveLimit("group:a", 7, people=frozenset("1"))],
            [("calls", [("user:1", 4)])],
        ),
        (
            [
                LiveLimit("endpoint", 50),
                LiveLimit("group:a", 2, people=frozenset("1")),
                LiveLimit("group:b", 3, people=frozenset("1")),
            ],
            [("calls", [("endpoint", 50)]), ("calls", [("group:a", 2), ("group:b", 3)])],
        ),
        ([LiveLimit("group:a", 7, people=frozenset("2"))], []),
    ],
)
def test_which_rules_hold_for_ada(given: list[LiveLimit], rules: list[Any]) -> None:
    assert rules_for(given, "1") == [Rule(measure, tuple(counters)) for measure, counters in rules]


async def test_several_gateways_count_as_one(store: Any) -> None:
    where = endpoint(LiveLimit("endpoint", 5), LiveLimit("user", 3))
    one, other = Limits(store), Limits(store)

    assert await admitted(one, where, ADA, 2) + await admitted(other, where, ADA, 4) == 3
    assert await admitted(other, where, EVE, 9) == 2  # the endpoint's limit: refused calls were not counted
    refusal = await one.refusal(where, EVE)
    assert refusal is not None
    assert (refusal.status, refusal.retry_after_s) == (429, 37)
    assert orjson.loads(refusal.body) == {
        "error_code": "REQUEST_LIMIT_EXCEEDED",
        "message": "Exceeded the rate limit of 5 calls per minute for endpoint churn. Try again in 37 s.",
    }


async def test_the_next_minute_counts_anew(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    where, gateway = endpoint(LiveLimit("user", 2)), Limits(store)
    assert await admitted(gateway, where, ADA, 3) == 2
    monkeypatch.setattr(limits.time, "time", lambda: MID_MINUTE_S + 37)
    assert await admitted(gateway, where, ADA, 3) == 2
    assert {await store.ttl(key) for key in await store.keys("limit:*")} <= set(range(1, limits.KEPT_S + 1))


async def test_in_several_groups_all_limits_have_to_be_reached(store: Any) -> None:
    where = endpoint(LiveLimit("group:a", 2, people=frozenset("12")), LiveLimit("group:b", 4, people=frozenset("1")))
    gateway = Limits(store)
    assert await admitted(gateway, where, EVE, 2) == 2  # the group's members share its limit
    assert await admitted(gateway, where, ADA, 5) == 4
    refusal = await gateway.refusal(where, ADA)
    assert refusal is not None
    assert b"2 calls per minute for group a and 4 calls per minute for group b" in refusal.body


async def test_zero_admits_nobody_and_an_endpoint_has_its_own_counters(store: Any) -> None:
    gateway = Limits(store)
    assert await admitted(gateway, endpoint(LiveLimit("endpoint", 0)), ADA, 1) == 0
    assert await admitted(gateway, endpoint(LiveLimit("group:a", 0, people=frozenset("2"))), ADA, 1) == 1


async def test_tokens_of_answers_are_counted(store: Any) -> None:
    where, gateway = endpoint(LiveLimit("user", 10, tokens=100)), Limits(store)
    assert await gateway.refusal(where, ADA) is None
    await count_tokens(store, where, ADA, "{}", '{"usage": {"total_tokens": 99}}')
    assert await gateway.refusal(where, ADA) is None
    await count_tokens(store, where, ADA, "{}", '{"usage": {"total_tokens": 1}}')
    refusal = await gateway.refusal(where, ADA)
    assert refusal is not None
    assert b"100 tokens per minute for user ada@example.org" in refusal.body
    assert await gateway.refusal(where, EVE) is None


@pytest.mark.parametrize(
    ("response", "tokens"),
    [
        ('{"usage": {"total_tokens": 7}}', 7),
        ('{"usage": null}', 9),
        ('{"usage": {"total_tokens": -7}}', 13),
        ("[1, 2, 3, 4, 5, 6, 7]", 10),
        ("no JSON", 7),
    ],
)
def test_tokens_are_estimated_where_none_are_reported(response: str, tokens: int) -> None:
    assert tokens_of("x" * 20, response) == tokens


def test_the_snapshot_carries_limits() -> None:
    given = endpoint(LiveLimit("endpoint", 5), LiveLimit("group:a", None, 9, frozenset({"1", "2"})))
    assert live.LiveEndpoint.from_json(given.to_json()) == given


async def test_five_hundred_calls_at_once_are_all_counted(store: Any, redis_url: str) -> None:
    """More than there are connections to Redis: they wait for one another."""
    client = redis.asyncio.Redis.from_pool(_pool(redis_url))
    where = endpoint(LiveLimit("endpoint", 450))
    gateway = Limits(client)
    answers = await asyncio.gather(*(gateway.refusal(where, ADA) for _ in range(500)))
    await client.aclose()
    assert answers.count(None) == 450
