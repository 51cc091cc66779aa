"""Coalescing: what goes out when, who gets which answer, and what happens when a replica dies."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from sandbox import live
from sandbox.invocations.coalescer import (
    IN_FLIGHT_PER_REPLICA,
    MAX_MESSAGE_REQUESTS,
    MAX_WAITING_BYTES,
    REPLICA_GRACE_S,
    SECOND_MESSAGE_BYTES,
    SECOND_MESSAGE_REQUESTS,
    TAKES_WHILE_DRAINING_S,
    WAITING_PER_CONCURRENCY,
    Coalescer,
)
from sandbox.invocations.requests import CHOOSE_AGAIN, MAX_DEATHS_ALONE, Redis503, Request, Wires

ENTITY = live.LiveEntity("e1", "churn-1", "onnx", "main.default.churn", "1")


def replica(replica_id: str, draining: bool = False) -> live.LiveReplica:
    return live.LiveReplica(replica_id, f"replica.{replica_id}", "node-1", 1, draining)


@dataclass
class Harness:
    """The effects of a coalescer, kept: what was sent, and what Redis would say."""

    replicas_now: dict[str, live.LiveReplica] = field(default_factory=dict)
    failure_now: bytes = b""
    sent: list[tuple[str, str, list[list[Any]]]] = field(default_factory=list)
    wakes: list[str] = field(default_factory=list)
    committed_ids: set[str] = field(default_factory=set)
    broker_is_down: bool = False

    def coalescer(self) -> Coalescer:
        return Coalescer(ENTITY, Wires(self.send, self.wakes.append, self.committed), self)

    def send(self, to: live.LiveReplica, message_id: str, requests: list[list[Any]], label: str) -> None:
        if self.broker_is_down:
            raise Redis503("down")
        self.sent.append((to.replica_id, message_id, requests))

    async def committed(self, message_id: str) -> bool:
        return message_id in self.committed_ids

    async def replicas(self, entity_id: str) -> dict[str, live.LiveReplica]:
        return dict(self.replicas_now)

    async def failure(self, entity_id: str) -> bytes:
        return self.failure_now


def request(name: str, timeout_s: float = 60.0) -> Request:
    now = time.time()
    future = asyncio.get_running_loop().create_future()
    return Request(name, f'{{"name":"{name}"}}'.encode(), "w1", "main.default.t", "ann", now, now + timeout_s, future)


async def ready(harness: Harness, *replicas: live.LiveReplica) -> Coalescer:
    harness.replicas_now = {r.replica_id: r for r in replicas}
    coalescer = harness.coalescer()
    await coalescer.refresh()
    return coalescer


async def arrive(coalescer: Coalescer, item: Request) -> None:
    """One request after the other, as from clients that do not know of each other."""
    coalescer.submit(item)
    await asyncio.sleep(0)


async def test_a_lone_request_goes_out_at_once() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    await arrive(coalescer, request("a"))
    assert [(to, [r[0] for r in requests]) for to, _, requests in harness.sent] == [("r1", ["a"])]


async def test_what_arrives_together_goes_out_as_one_message() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    for name in ("a", "b", "c"):
        coalescer.submit(request(name))
    assert coalescer.held_up == 0, "nothing waits for a replica"
    await asyncio.sleep(0)
    assert [[r[0] for r in requests] for _, _, requests in harness.sent] == [["a", "b", "c"]]
    coalescer.submit(request("d"))
    assert coalescer.held_up == 1


async def test_what_arrives_meanwhile_goes_out_as_one_message() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    waiting = [request(f"q{i}") for i in range(10)]
    for item in waiting:
        await arrive(coalescer, item)
    assert [[r[0] for r in requests] for _, _, requests in harness.sent] == [["q0"]]
    coalescer.answered(harness.sent[0][1], [(200, "first")])
    assert [r[0] for r in harness.sent[1][2]] == [f"q{i}" for i in range(1, 10)]
    coalescer.answered(harness.sent[1][1], [(200, f"answer to q{i}") for i in range(1, 10)])
    assert [item.future.result().body for item in waiting[1:]] == [f"answer to q{i}".encode() for i in range(1, 10)]
    assert waiting[5].future.result().served_entity_name == "churn-1"


async def test_many_waiting_requests_go_ahead_of_the_answer() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    for i in range(3 * SECOND_MESSAGE_REQUESTS):
        await arrive(coalescer, request(str(i)))
    assert [len(requests) for _, _, requests in harness.sent] == [1, SECOND_MESSAGE_REQUESTS]
    assert len(harness.sent) == IN_FLIGHT_PER_REPLICA


async def test_so_do_large_ones() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    size = SECOND_MESSAGE_BYTES // 4
    for i in range(9):
        await arrive(coalescer, replace(request(str(i)), body=b"x" * size))
    assert [len(requests) for _, _, requests in harness.sent] == [1, 4]
    assert len(harness.sent) == IN_FLIGHT_PER_REPLICA


async def test_a_message_is_bounded() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    for i in range(MAX_MESSAGE_REQUESTS + 50):
        await arrive(coalescer, request(str(i)))
    coalescer.answered(harness.sent[0][1], [(200, "")])
    coalescer.answered(harness.sent[1][1], [(200, "")] * SECOND_MESSAGE_REQUESTS)
    assert len(harness.sent[2][2]) == MAX_MESSAGE_REQUESTS


async def test_load_spreads_over_replicas_and_spares_draining_ones() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"), replica("r2"), replica("old", draining=True))
    for i in range(2 + 2 * SECOND_MESSAGE_REQUESTS):
        await arrive(coalescer, request(str(i)))
    assert sorted(to for to, _, _ in harness.sent) == ["r1", "r1", "r2", "r2"]


async def test_at_zero_it_wakes_once_and_answers_when_the_replica_is_there() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    items = [request(str(i)) for i in range(500)]
    for item in items:
        await arrive(coalescer, item)
    assert harness.wakes == ["e1"]
    harness.replicas_now = {"r1": replica("r1")}
    await coalescer.refresh()
    assert sum(len(requests) for _, _, requests in harness.sent) == 500


async def test_requests_of_a_dead_replica_go_to_another() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    item = request("a")
    await arrive(coalescer, item)
    harness.replicas_now = {"r2": replica("r2")}
    await coalescer.refresh()
    assert [to for to, _, _ in harness.sent] == ["r1", "r2"]
    coalescer.answered(harness.sent[1][1], [(200, "ok")])
    assert item.future.result().body == b"ok"


async def test_what_the_dead_replica_had_committed_is_not_computed_twice() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    item = request("a")
    await arrive(coalescer, item)
    harness.committed_ids = {harness.sent[0][1]}
    harness.replicas_now = {"r2": replica("r2")}
    await coalescer.refresh()
    assert len(harness.sent) == 1
    coalescer.answered(harness.sent[0][1], [(200, "computed before it died")])
    assert item.future.result().body == b"computed before it died"


async def test_a_request_that_kills_replicas_alone_is_given_up_and_nobody_else() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    items = {name: request(name) for name in ("before", "killer", "after")}
    for item in items.values():
        await arrive(coalescer, item)
    replicas = itertools.count()

    async def live_on() -> None:
        name = f"r{next(replicas)}"
        harness.replicas_now = {name: replica(name)}
        await coalescer.refresh()

    await live_on()
    deaths = 0
    while not all(item.future.done() for item in items.values()):
        _, message_id, requests = harness.sent[-1]
        if any(each[0] == "killer" for each in requests):
            deaths += 1
            await live_on()
        else:
            coalescer.answered(message_id, [(200, each[0]) for each in requests])
    assert deaths == 1 + MAX_DEATHS_ALONE
    assert [items[name].future.result().body for name in ("before", "after")] == [b"before", b"after"]
    given_up = items["killer"].future.result()
    assert (given_up.status, orjson.loads(given_up.body)["error_code"]) == (500, "INTERNAL_ERROR")


async def test_replicas_that_are_killed_again_and_again_cost_no_request_its_answer() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r0"), replica("s0"))
    items = [request(str(i)) for i in range(100)]
    for item in items:
        await arrive(coalescer, item)
    for number in range(1, 20):
        harness.replicas_now = {name: replica(name) for name in (f"r{number}", f"s{number}")}
        await coalescer.refresh()
        _, message_id, requests = harness.sent[-1]
        coalescer.answered(message_id, [(200, each[0]) for each in requests])
    while coalescer.in_flight:
        message_id, message = next(iter(coalescer.in_flight.items()))
        coalescer.answered(message_id, [(200, each.request_id) for each in message.requests])
    assert [item.future.result().body.decode() for item in items] == [str(i) for i in range(100)]


async def test_an_entity_that_cannot_start_answers_with_the_reason() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    item = request("a")
    await arrive(coalescer, item)
    harness.failure_now = orjson.dumps({"message": "no module named x"})
    await coalescer.refresh()
    assert "no module named x" in orjson.loads(item.future.result().body)["message"]


async def test_a_broker_that_is_away_is_a_503_with_retry_after() -> None:
    harness = Harness(broker_is_down=True)
    coalescer = await ready(harness, replica("r1"))
    item = request("a")
    await arrive(coalescer, item)
    answer = item.future.result()
    assert (answer.status, answer.retry_after_s) == (503, 1)


async def test_past_the_deadline_the_answer_is_504_and_a_late_reply_is_ignored() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    item = request("a", timeout_s=1.0)
    await arrive(coalescer, item)
    coalescer.expire(time.time() + 2)
    assert not item.future.done(), "a replica that lives answers a timeout itself, and logs it"
    coalescer.expire(time.time() + 2 + REPLICA_GRACE_S)
    assert item.future.result().status == 504
    coalescer.answered(harness.sent[0][1], [(200, "late")])
    assert coalescer.is_idle


async def test_beyond_the_queue_limit_the_answer_is_429() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    items = [request(str(i)) for i in range(4 * WAITING_PER_CONCURRENCY + 1)]
    for item in items:
        await arrive(coalescer, item)
    refused = items[-1].future.result()
    assert (refused.status, refused.retry_after_s) == (429, 1)
    assert orjson.loads(refused.body) == {
        "error_code": "REQUEST_LIMIT_EXCEEDED",
        "message": "Too many concurrent requests. Consider increasing the provisioned concurrency of the served entity.",
    }
    assert not items[-2].future.done()
    harness.replicas_now = {"r1": replica("r1")}
    await coalescer.refresh()
    await arrive(coalescer, request("there is room again"))
    assert coalescer.waiting[-1].request_id == "there is room again"


async def test_large_bodies_may_not_fill_the_memory() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    body = b"x" * 16_000_000
    items = [request(str(i)) for i in range(20)]
    for item in items:
        item.body = body
        await arrive(coalescer, item)
    assert [item.future.done() for item in items] == [(i + 1) * len(body) > MAX_WAITING_BYTES for i in range(20)]
    coalescer.expire(time.time() + 3600)
    assert (coalescer.waiting.size_bytes, len(coalescer.waiting)) == (0, 0)


async def test_a_queue_is_shared_between_the_replicas_that_are_free() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    for i in range(100):
        await arrive(coalescer, request(str(i)))
    harness.replicas_now = {name: replica(name) for name in ("r1", "r2", "r3", "r4")}
    await coalescer.refresh()
    assert [(to, len(requests)) for to, _, requests in harness.sent] == [("r1", 25), ("r2", 25), ("r3", 25), ("r4", 25)]
    assert coalescer.waiting.size_bytes == 0


async def test_the_last_replica_still_answers_while_it_drains() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1", draining=True))
    await arrive(coalescer, request("a"))
    assert [to for to, _, _ in harness.sent] == ["r1"]


async def test_a_replica_that_drains_for_long_is_sent_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a pyfunc model works for minutes on what it has, and reads its queue no more."""
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    first, second = request("first"), request("second")
    for item in (first, second):
        await arrive(coalescer, item)
    harness.replicas_now = {"r1": replica("r1", draining=True)}
    await coalescer.refresh()
    assert not coalescer.is_stranded
    now_s = time.monotonic()
    monkeypatch.setattr("sandbox.invocations.coalescer.time.monotonic", lambda: now_s + TAKES_WHILE_DRAINING_S + 0.1)
    await coalescer.refresh()
    coalescer.answered(harness.sent[0][1], [(200, "in time")])
    assert [[r[0] for r in requests] for _, _, requests in harness.sent] == [["first"]]
    assert harness.wakes == ["e1"]
    assert coalescer.is_stranded, "the gateway looks whether its entity was replaced, and has it choose again"
    assert first.future.result().status == 200


async def test_a_change_that_comes_while_replicas_are_read_is_seen() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(entity_id: str) -> dict[str, live.LiveReplica]:
        found = dict(harness.replicas_now)
        reading.set()
        await go_on.wait()
        return found

    harness.replicas = slowly  # type: ignore[method-assign]
    first = asyncio.ensure_future(coalescer.refresh())
    await reading.wait()
    harness.replicas_now = {"r1": replica("r1")}
    await coalescer.refresh()  # announced meanwhile
    go_on.set()
    await first
    assert coalescer._refresh_task is not None
    await coalescer._refresh_task
    assert set(coalescer.replicas) == {"r1"}


async def test_requests_whose_entity_was_replaced_choose_again_and_nothing_is_left() -> None:
    harness = Harness()
    coalescer = await ready(harness, replica("r1"))
    items = [request(str(i)) for i in range(5)]
    for item in items:
        await arrive(coalescer, item)
    coalescer.answered(harness.sent[0][1], [(200, "in time")])
    harness.replicas_now = {}
    await coalescer.refresh()
    assert coalescer.is_stranded
    coalescer.release()
    assert [item.future.result() is CHOOSE_AGAIN for item in items] == [False, True, True, True, True]
    assert coalescer.is_idle


async def test_what_waited_too_long_leaves_the_queue() -> None:
    harness = Harness()
    coalescer = await ready(harness)
    item = request("a", timeout_s=1.0)
    await arrive(coalescer, item)
    coalescer.expire(time.time() + 2)
    assert item.future.result().status == 504
    assert coalescer.is_idle
