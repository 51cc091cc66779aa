"""Messages are written without waiting for Redis; what Redis may not have taken is told."""

import asyncio
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox import live
from sandbox.invocations.coalescer import Coalescer
from sandbox.invocations.requests import Request, Wires
from sandbox.invocations.sender import Sender


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    made = redis.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0))
    made.flushdb()
    return made


def end_connections(client: redis.Redis) -> None:
    """Redis closes every connection but the one that asks for it."""
    client.client_kill_filter(skipme=True, _type="normal")


def test_messages_arrive_in_order_and_none_is_lost(client: redis.Redis) -> None:
    sender = Sender(client)
    for number in range(100):
        sender.send(f"m{number}", [("LPUSH", "q", b"%d" % number)])
    client.ping()
    sender.settle()
    assert client.lrange("q", 0, -1) == [b"%d" % number for number in reversed(range(100))]
    assert sender.take_lost() == []


def test_a_message_of_two_commands_is_lost_as_one(client: redis.Redis) -> None:
    client.set("q", "no list: Redis refuses the message")
    sender = Sender(client)
    sender.send("m1", [("SET", "bodies", b"1"), ("LPUSH", "q", b"1")])
    deadline = time.monotonic() + 60
    while not (lost := sender.take_lost()) and time.monotonic() < deadline:
        sender.settle()
    assert (lost, client.get("bodies")) == (["m1"], b"1")


def test_a_connection_that_ended_at_rest_costs_nothing(client: redis.Redis) -> None:
    sender = Sender(client)
    sender.send("m1", [("LPUSH", "q", b"1")])
    client.ping()
    sender.settle()
    end_connections(client)
    sender.send("m2", [("LPUSH", "q", b"2")])
    client.ping()
    sender.settle()
    assert (client.lrange("q", 0, -1), sender.take_lost()) == ([b"2", b"1"], [])


def test_what_redis_has_not_confirmed_when_it_goes_is_told_once(client: redis.Redis) -> None:
    client.set("q", "no list: Redis refuses the message")
    sender = Sender(client)
    sender.send("m1", [("LPUSH", "q", b"1")])
    deadline = time.monotonic() + 60
    while not (lost := sender.take_lost()) and time.monotonic() < deadline:
        sender.settle()
    assert (lost, sender.take_lost()) == (["m1"], [])
    sender.send("m2", [("LPUSH", "other", b"2")])
    client.ping()
    assert client.lrange("other", 0, -1) == [b"2"]


def test_without_redis_it_raises() -> None:
    sender = Sender(redis.Redis(unix_socket_path="/nowhere/redis.sock", retry=Retry(NoBackoff(), 0)))
    with pytest.raises(redis.RedisError):
        sender.send("m1", [("LPUSH", "q", b"1")])
    assert sender.take_lost() == []


async def test_the_requests_of_a_lost_message_are_refused_and_the_place_is_free_again() -> None:
    sent: list[str] = []

    async def nothing(_: str) -> None: ...

    wires = Wires(lambda to, message_id, requests, label: sent.append(message_id), lambda entity_id: None, nothing)
    coalescer = Coalescer(live.LiveEntity("e1", "churn-1", "onnx", "m", "1"), wires, None)
    coalescer.replicas = {"r1": live.LiveReplica("r1", "replica.r1", "node-1", 1)}
    first, second = (
        Request(name, b"{}", "w1", "", "ann", time.time(), time.time() + 60, asyncio.get_running_loop().create_future())
        for name in ("a", "b")
    )
    coalescer.submit(first)
    await asyncio.sleep(0)
    coalescer.submit(second)
    coalescer.lost(sent[0])
    answer = first.future.result()
    assert (answer.status, answer.retry_after_s) == (503, 1)
    assert len(sent) == 2, "the next message went out"
    coalescer.lost(sent[0])
    assert not second.future.done(), "a message is lost once"
