"""What gateways and nodes counted comes back as series, totals and load; idle entities cost nothing."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import RedisError
from redis.asyncio import Redis

from sandbox import measures, metrics
from sandbox.invocations.pulse import Pulse
from sandbox.measures import Counts, Load, Usage

ENDPOINT, ONE, TWO = "endpoint", "entity-1", "entity-2"
NOW_S = 1_760_000_005.0


def counts(requests: int, latency_ms: float = 3.0, **more: int) -> Counts:
    classes = [0] * (len(measures.LATENCY_BOUNDS_MS) + 1)
    classes[measures.latency_class(latency_ms)] = requests
    return Counts(requests, requests, latency_sum_ms=requests * latency_ms, latency_counts=tuple(classes), **more)


def write(client: Any, entity_id: str, writer: str, at_s: float, what: Counts) -> None:
    pipe = client.pipeline()
    for step_s in metrics.STEPS:
        metrics.write_counts(pipe, ENDPOINT, entity_id, writer, step_s, metrics.bucket_start(at_s, step_s), what)
    metrics.write_totals(pipe, entity_id, what)
    pipe.execute()


def test_a_series_has_every_step_and_adds_up_gateways_and_entities(redis: Any) -> None:
    write(redis, ONE, "gateway-a", NOW_S - 20, counts(5, peak_concurrent=2))
    write(redis, ONE, "gateway-b", NOW_S - 20, counts(1, latency_ms=40.0, peak_concurrent=3))
    write(redis, TWO, "gateway-a", NOW_S, counts(7))
    of_one = metrics.series(redis, ENDPOINT, ONE, NOW_S - 30, 10, NOW_S)
    assert [(s.start_s, s.counts.requests) for s in of_one] == [
        (1_759_999_970, 0), (1_759_999_980, 6), (1_759_999_990, 0), (1_760_000_000, 0),
    ]  # fmt: skip
    assert of_one[1].counts.peak_concurrent == 5
    assert of_one[1].counts.latency_sum_ms == pytest.approx(55.0)
    assert of_one[1].requests_per_s == pytest.approx(0.6)
    of_all = metrics.series(redis, ENDPOINT, None, NOW_S - 30, 10, NOW_S)
    assert [s.counts.requests for s in of_all] == [0, 6, 0, 7]


def test_a_bucket_that_is_sent_twice_counts_once(redis: Any) -> None:
    for requests in (3, 5):
        write(redis, ONE, "gateway-a", NOW_S, counts(requests))
    (sample,) = metrics.series(redis, ENDPOINT, ONE, NOW_S - 3, 10, NOW_S)
    assert sample.counts.requests == 5


def test_longer_steps_add_counts_and_keep_the_highest_peak(redis: Any) -> None:
    for seconds_ago, peak in ((5, 4), (15, 9), (25, 1)):
        write(redis, ONE, "gateway-a", NOW_S - seconds_ago, counts(2, peak_concurrent=peak))
    found = metrics.series(redis, ENDPOINT, ONE, NOW_S - 30, 30, NOW_S)
    assert sum(s.counts.requests for s in found) == 6
    assert max(s.counts.peak_concurrent for s in found) == 9


def test_a_day_in_minutes_crosses_the_stored_hours(redis: Any) -> None:
    for hours_ago in (0, 5, 23):
        write(redis, ONE, "gateway-a", NOW_S - hours_ago * 3600, counts(1 + hours_ago))
    found = metrics.series(redis, ENDPOINT, ONE, NOW_S - 24 * 3600, 60, NOW_S)
    assert len(found) == 24 * 60 + 1
    assert [s.counts.requests for s in found if s.counts.requests] == [24, 6, 1]


@pytest.mark.parametrize(("step_s", "look_back_s"), [(7, 60), (10, 5 * 3600), (0, 60), (-60, 60)])
def test_steps_that_are_not_kept_are_refused(redis: Any, step_s: int, look_back_s: int) -> None:
    with pytest.raises(ValueError, match="are not kept"):
        metrics.series(redis, ENDPOINT, ONE, NOW_S - look_back_s, step_s, NOW_S)


def test_replicas_of_a_step(redis: Any) -> None:
    pipe = redis.pipeline()
    metrics.write_usage(pipe, ENDPOINT, ONE, "r1", Usage(80.0, 30_000_000), NOW_S)
    metrics.write_usage(pipe, ENDPOINT, ONE, "r2", Usage(20.0, 50_000_000), NOW_S)
    metrics.write_usage(pipe, ENDPOINT, ONE, "r2", Usage(40.0, 50_000_000), NOW_S + 1)
    pipe.execute()
    for step_s in (10, 60):
        sample = metrics.series(redis, ENDPOINT, None, NOW_S, step_s, NOW_S)[0]
        assert (sample.replicas, sample.cpu_percent, sample.memory_bytes) == (2, 60.0, 40_000_000)


def test_load_leaves_out_a_gateway_that_has_died(redis: Any) -> None:
    pipe = redis.pipeline()
    now_s = time.time()
    metrics.write_load(pipe, ONE, "gateway-a", Load(10, 4, 2.5), now_s)
    metrics.write_load(pipe, ONE, "gateway-b", Load(1, 1, 20.0), now_s)
    metrics.write_load(pipe, ONE, "dead", Load(500, 0, 0.0), now_s - 60)
    pipe.execute()
    load = metrics.load(redis, ONE)
    assert load == Load(11, 5, 22.5)
    assert load.concurrency == 22.5
    assert metrics.load(redis, TWO) == Load()


def test_percentiles_are_interpolated() -> None:
    assert counts(100, 3.0).percentile_ms(0.5) == pytest.approx(3.5)  # the class from 2 to 5 ms
    assert Counts().percentile_ms(0.5) is None
    assert counts(1, 10_000_000.0).percentile_ms(0.99) == 300_000


@given(st.lists(st.tuples(st.sampled_from([200, 400, 404, 429, 500, 503]), st.floats(0, 400_000)), max_size=30))
def test_packing_keeps_everything(answers: list[tuple[int, float]]) -> None:
    meter = Pulse(lambda _: 0).meter(ENDPOINT, ONE)
    for status, latency_ms in answers:
        meter.began()
        meter.ended(status, latency_ms)
    found = meter.fresh.counts()
    assert Counts.unpack(found.pack()) == found
    assert found.requests == found.ok + found.client_errors + found.server_errors == sum(found.latency_counts) == len(answers)
    assert found.refused == sum(status == 429 for status, _ in answers)


async def test_the_gateway_writes_each_second_what_happened_and_nothing_when_nothing_did(redis: Any, redis_url: str) -> None:
    waiting = {ONE: 3}
    pulse = Pulse(lambda entity_id: waiting.get(entity_id, 0))
    client = Redis.from_url(redis_url)
    one = pulse.meter(ENDPOINT, ONE)
    for status in (200, 200, 429, 500):
        one.began()
        one.ended(status, 12.0)
    one.began()  # still in hand
    one.queued(4)
    two = pulse.meter(ENDPOINT, TWO)
    two.began()
    two.moved_on()
    await pulse.flush(client)
    totals = metrics.totals(redis, ENDPOINT)
    assert set(totals) == {ONE}  # the request that moved on counts for nothing
    assert (totals[ONE].requests, totals[ONE].ok, totals[ONE].client_errors, totals[ONE].refused) == (4, 2, 1, 1)
    assert totals[ONE].latency_sum_ms == pytest.approx(48.0)
    samples = metrics.series(redis, ENDPOINT, None, time.time() - 30, 60)
    assert sum(s.counts.requests for s in samples) == 4
    assert max(s.counts.peak_concurrent for s in samples) == 2 - 1
    assert max(s.counts.peak_waiting for s in samples) == 4
    assert metrics.load(redis, ONE).waiting == 3
    assert metrics.active(redis) == [ONE]

    one.ended(200, 12.0)
    waiting[ONE] = 0
    await pulse.flush(client)
    await pulse.flush(client)
    assert metrics.totals(redis, ENDPOINT)[ONE].requests == 5
    assert metrics.load(redis, ONE).waiting == 0
    before = redis.info("commandstats").get("cmdstat_exec", {}).get("calls", 0)
    await pulse.flush(client)
    assert redis.info("commandstats").get("cmdstat_exec", {}).get("calls", 0) == before
    await client.aclose()


async def test_what_redis_did_not_take_is_sent_again(redis: Any, redis_url: str) -> None:
    pulse = Pulse(lambda _: 0)
    meter = pulse.meter(ENDPOINT, ONE)
    meter.began()
    meter.ended(200, 1.0)
    away = Redis.from_url("unix:///nowhere/redis.sock")
    with pytest.raises(RedisError):
        await pulse.flush(away)
    meter.began()
    meter.ended(200, 1.0)
    client = Redis.from_url(redis_url)
    await pulse.flush(client)
    assert metrics.totals(redis, ENDPOINT)[ONE].requests == 2
    assert sum(s.counts.requests for s in metrics.series(redis, ENDPOINT, ONE, time.time() - 60, 60)) == 2
    await client.aclose()


def test_entities_that_were_replaced_long_ago_are_forgotten(redis: Any) -> None:
    now_s = time.time()
    write(redis, ONE, "gateway-a", now_s - metrics.KEPT_S - 60, counts(1))
    write(redis, TWO, "gateway-a", now_s, counts(1))
    assert metrics.entities(redis, ENDPOINT) == [TWO]


def test_a_deleted_endpoint_is_forgotten(redis: Any) -> None:
    write(redis, ONE, "gateway-a", time.time(), counts(1))
    metrics.forget(redis, ENDPOINT, [ONE])
    assert metrics.totals(redis, ENDPOINT) == {}
    assert metrics.entities(redis, ENDPOINT) == []
