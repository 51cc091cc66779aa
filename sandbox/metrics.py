"""What endpoints did, counted in Redis: gateways and nodes write; pages, exports and the autoscaler read. No Django.

==============================================  ===================================================================
``metrics:<step>:<span start>:<entity_id>``     hash ``<bucket start>:<writer>`` -> what one gateway counted in the bucket
                                                (`Counts.pack`), ``<bucket start>/<replica_id>`` -> what a replica used
``metrics:totals:<entity_id>``                  hash field of TOTALS -> sum since the entity was first called
``metrics:entities:<endpoint_id>``              sorted set entity_id -> when it was last written, seconds since the epoch
``metrics:load:<entity_id>``                    hash writer -> what waits and runs at one gateway just now, for seconds
``metrics:active``                              sorted set entity_id -> when it was last called or had requests in hand
==============================================  ===================================================================

Steps are 10 s (kept for 2 hours) and 60 s (kept for 25 hours). A writer overwrites its own field of a bucket, so that
sending a bucket twice counts nothing twice.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import orjson

from sandbox.measures import LATENCY_BOUNDS_MS, SCALARS, Counts, Load, Sample, Totals, Usage

FINE_STEP_S, COARSE_STEP_S = 10, 60
STEPS: Mapping[int, tuple[int, int]] = {FINE_STEP_S: (600, 2 * 3600 + 600), COARSE_STEP_S: (3600, 25 * 3600)}
"""Length of a bucket -> how many seconds one Redis hash spans, and for how long it is kept."""
FINE_WINDOW_S = 2 * 3600
KEPT_S = 30 * 24 * 3600
"""Totals of an entity that nobody calls are forgotten after this time."""
LOAD_FRESH_S = 4.0
"""A gateway reports the load each second; an older record is of one that has died."""
ACTIVE_KEY = "metrics:active"
TOTALS = tuple(each.name for each in fields(Totals) if each.name in SCALARS)


# --- reading -----------------------------------------------------------------------------------


def series(
    redis: Any, endpoint_id: str, entity_id: str | None, since_s: float, step_s: int = FINE_STEP_S, now_s: float | None = None
) -> list[Sample]:
    """What happened from `since_s` (seconds since the epoch) until now in steps of `step_s`, oldest first, empty steps too.

    `entity_id` None adds up all entities that the endpoint has had. `step_s` is a multiple of 10; 10 s buckets are kept for
    2 hours, so a longer look back needs a multiple of 60. Raises ValueError for another step.
    """
    now_s = time.time() if now_s is None else now_s
    stored_s = _stored_step(step_s, now_s - since_s)
    first = int(since_s // step_s * step_s)
    entity_ids = [entity_id] if entity_id else entities(redis, endpoint_id, since_s=first)
    counts, usage = _buckets(redis, entity_ids, stored_s, first, now_s)
    return [
        Sample(
            start,
            step_s,
            _over_time(counts, range(start, start + step_s, stored_s)),
            tuple(_last_of_each(usage, range(start, start + step_s, stored_s))),
        )
        for start in range(first, int(now_s) + 1, step_s)
    ]


def totals(redis: Any, endpoint_id: str) -> dict[str, Totals]:
    """Cumulative counts by entity id, of every entity that the endpoint has had and that was called."""
    ids = entities(redis, endpoint_id)
    pipe = redis.pipeline(transaction=False)
    for entity_id in ids:
        pipe.hgetall(totals_key(entity_id))
    return {entity_id: _totals(raw) for entity_id, raw in zip(ids, pipe.execute(), strict=True) if raw}


def load(redis: Any, entity_id: str) -> Load:
    """What the entity has in hand just now; zeros when nobody calls it."""
    return loads(redis, [entity_id])[entity_id]


def loads(redis: Any, entity_ids: Sequence[str], now_s: float | None = None) -> dict[str, Load]:
    """The same for many, in one round trip."""
    oldest = (time.time() if now_s is None else now_s) - LOAD_FRESH_S
    pipe = redis.pipeline(transaction=False)
    for entity_id in entity_ids:
        pipe.hvals(load_key(entity_id))
    found = {}
    for entity_id, values in zip(entity_ids, pipe.execute(), strict=True):
        fresh = [record for record in map(orjson.loads, values) if record[0] > oldest]
        found[entity_id] = Load(sum(r[1] for r in fresh), sum(r[2] for r in fresh), sum(r[3] for r in fresh))
    return found


def active(redis: Any, within_s: float = LOAD_FRESH_S) -> list[str]:
    """Ids of the entities that had requests within the last seconds. What idles costs nothing here."""
    return [entity_id.decode() for entity_id in redis.zrangebyscore(ACTIVE_KEY, time.time() - within_s, "+inf")]


def entities(redis: Any, endpoint_id: str, since_s: float = 0.0) -> list[str]:
    """Ids of the entities of the endpoint that were written since then, sorted."""
    return sorted(e.decode() for e in redis.zrangebyscore(entities_key(endpoint_id), since_s, "+inf"))


# --- writing -----------------------------------------------------------------------------------


def write_counts(pipe: Any, endpoint_id: str, entity_id: str, writer: str, step_s: int, start_s: int, counts: Counts) -> None:
    """Put what one gateway (`writer`) has counted in one bucket so far onto a pipeline."""
    key = _bucket_key(step_s, start_s, entity_id)
    pipe.hset(key, f"{start_s}:{writer}", counts.pack())
    pipe.expire(key, STEPS[step_s][1])
    _note_entity(pipe, endpoint_id, entity_id, start_s)


def write_totals(pipe: Any, entity_id: str, more: Counts) -> None:
    """Add to the totals of the entity."""
    key = totals_key(entity_id)
    for name in TOTALS:
        if amount := getattr(more, name):
            (pipe.hincrbyfloat if isinstance(amount, float) else pipe.hincrby)(key, name, amount)
    for i, count in enumerate(more.latency_counts):
        if count:
            pipe.hincrby(key, f"le{i}", count)
    pipe.expire(key, KEPT_S)


def write_load(pipe: Any, entity_id: str, writer: str, load: Load, now_s: float) -> None:
    """Say what the entity has in hand at this gateway."""
    key = load_key(entity_id)
    pipe.hset(key, writer, orjson.dumps([now_s, load.waiting, load.in_flight, round(load.mean_concurrent, 3)]))
    pipe.expire(key, int(LOAD_FRESH_S) + 1)
    pipe.zadd(ACTIVE_KEY, {entity_id: now_s})


def prune_active(pipe: Any, now_s: float) -> None:
    """Forget whose activity is too old for anybody to ask for it."""
    pipe.zremrangebyscore(ACTIVE_KEY, 0, now_s - 3600)


def write_usage(pipe: Any, endpoint_id: str, entity_id: str, replica_id: str, usage: Usage, now_s: float) -> None:
    """Say what a replica uses; the last word in a bucket stands."""
    record = orjson.dumps([round(usage.cpu_percent, 2), usage.memory_bytes, usage.gpu_memory_bytes])
    for step_s in STEPS:
        start_s = bucket_start(now_s, step_s)
        key = _bucket_key(step_s, start_s, entity_id)
        pipe.hset(key, f"{start_s}/{replica_id}", record)
        pipe.expire(key, STEPS[step_s][1])
    if endpoint_id:
        _note_entity(pipe, endpoint_id, entity_id, now_s)


def forget(redis: Any, endpoint_id: str, entity_ids: Iterable[str]) -> None:
    """Drop what is kept of a deleted endpoint; its buckets expire by themselves."""
    keys = [key for entity_id in entity_ids for key in (totals_key(entity_id), load_key(entity_id))]
    redis.delete(entities_key(endpoint_id), *keys)


def bucket_start(now_s: float, step_s: int) -> int:
    return int(now_s // step_s * step_s)


def totals_key(entity_id: str) -> str:
    return f"metrics:totals:{entity_id}"


def entities_key(endpoint_id: str) -> str:
    return f"metrics:entities:{endpoint_id}"


def load_key(entity_id: str) -> str:
    return f"metrics:load:{entity_id}"


# --- leaves ------------------------------------------------------------------------------------


def _bucket_key(step_s: int, start_s: int, entity_id: str) -> str:
    return f"metrics:{step_s}:{bucket_start(start_s, STEPS[step_s][0])}:{entity_id}"


def _note_entity(pipe: Any, endpoint_id: str, entity_id: str, now_s: float) -> None:
    pipe.zadd(entities_key(endpoint_id), {entity_id: now_s}, gt=True)
    pipe.zremrangebyscore(entities_key(endpoint_id), 0, now_s - KEPT_S)
    pipe.expire(entities_key(endpoint_id), KEPT_S)


def _stored_step(step_s: int, look_back_s: float) -> int:
    """The coarsest buckets that fit the step."""
    if step_s > 0 and step_s % COARSE_STEP_S == 0:
        return COARSE_STEP_S
    if step_s > 0 and step_s % FINE_STEP_S == 0 and look_back_s <= FINE_WINDOW_S:
        return FINE_STEP_S
    raise ValueError(
        f"Steps of {step_s} s over {look_back_s:.0f} s are not kept: give a multiple of {COARSE_STEP_S}, or of {FINE_STEP_S} "
        f"for at most {FINE_WINDOW_S} s."
    )


Buckets = dict[int, list[Counts]]
Used = dict[int, dict[str, Usage]]


def _buckets(redis: Any, entity_ids: Sequence[str], step_s: int, first: int, now_s: float) -> tuple[Buckets, Used]:
    """By start of the bucket: what each gateway counted for each entity, and what each replica used; one round trip."""
    span_s = STEPS[step_s][0]
    pipe = redis.pipeline(transaction=False)
    for entity_id in entity_ids:
        for span in range(bucket_start(first, span_s), int(now_s) + 1, span_s):
            pipe.hgetall(_bucket_key(step_s, span, entity_id))
    counts: Buckets = {}
    usage: Used = {}
    for raw in pipe.execute():
        for field, value in raw.items():
            name = field.decode()
            if "/" in name:
                start, replica_id = name.split("/", 1)
                usage.setdefault(int(start), {})[replica_id] = Usage(*orjson.loads(value))
            else:
                counts.setdefault(int(name.partition(":")[0]), []).append(Counts.unpack(value))
    return counts, usage


def _over_time(buckets: Buckets, starts: range) -> Counts:
    """Buckets one after the other: counts add up, of the peaks the highest stays."""
    found = [Counts.sum(buckets[start]) for start in starts if start in buckets]
    if len(found) <= 1:
        return found[0] if found else Counts()
    together = Counts.sum(found)
    peaks = {name: max(getattr(part, name) for part in found) for name in ("peak_concurrent", "peak_waiting")}
    return Counts(**{**{name: getattr(together, name) for name in SCALARS}, **peaks}, latency_counts=together.latency_counts)


def _last_of_each(usage: Used, starts: range) -> Iterable[Usage]:
    last: dict[str, Usage] = {}
    for start in starts:
        last.update(usage.get(start, {}))
    return last.values()


def _totals(raw: Mapping[bytes, bytes]) -> Totals:
    values = {name: float(raw.get(name.encode(), 0)) for name in TOTALS}
    sums: dict[str, Any] = {name: value if name == "latency_sum_ms" else int(value) for name, value in values.items()}
    counts = tuple(int(raw.get(f"le{i}".encode(), 0)) for i in range(len(LATENCY_BOUNDS_MS) + 1))
    return Totals(**sums, latency_counts=counts)
