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
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import orjson

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)
"""Upper edges of the latency histogram; one more class holds what is slower."""
FINE_STEP_S, COARSE_STEP_S = 10, 60
STEPS: Mapping[int, tuple[int, int]] = {FINE_STEP_S: (600, 2 * 3600 + 600), COARSE_STEP_S: (3600, 25 * 3600)}
"""Length of a bucket -> how many seconds one Redis hash spans, and for how long it is kept."""
FINE_WINDOW_S = 2 * 3600
KEPT_S = 30 * 24 * 3600
"""Totals of an entity that nobody calls are forgotten after this time."""
LOAD_FRESH_S = 4.0
"""A gateway reports the load each second; an older record is of one that has died."""
ACTIVE_KEY = "metrics:active"
TOTALS = ("requests", "ok", "client_errors", "refused", "server_errors", "latency_sum_ms")


@dataclass(frozen=True)
class Counts:
    """Requests of one served entity over some time, and how long they took."""

    requests: int = 0
    """Answered requests; those in hand are not among them."""
    ok: int = 0
    """Answered 2xx."""
    client_errors: int = 0
    """Answered 4xx, 429 included."""
    refused: int = 0
    """Answered 429."""
    server_errors: int = 0
    """Answered 5xx."""
    latency_sum_ms: float = 0.0
    """Round trips inside the gateway added up: from the whole body to the answer."""
    peak_concurrent: int = 0
    """The most requests in hand at the same time, waiting ones included (added up over gateways)."""
    peak_waiting: int = 0
    """The most requests that waited for a replica at the same time (added up over gateways)."""
    latency_counts: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_MS) + 1)
    """Requests by class of LATENCY_BOUNDS_MS; not cumulative."""

    @property
    def mean_latency_ms(self) -> float:
        """0 when there was no request."""
        return self.latency_sum_ms / self.requests if self.requests else 0.0

    def percentile_ms(self, share: float) -> float | None:
        """Latency that `share` (0 to 1) of the requests stayed under, interpolated within its class; None without requests."""
        wanted, below = share * sum(self.latency_counts), 0
        for i, count in enumerate(self.latency_counts):
            if count and below + count >= wanted:
                low = LATENCY_BOUNDS_MS[i - 1] if i else 0
                high = LATENCY_BOUNDS_MS[min(i, len(LATENCY_BOUNDS_MS) - 1)]
                return low + (high - low) * max(0.0, wanted - below) / count
            below += count
        return None

    def pack(self) -> bytes:
        """The inverse of `unpack`."""
        return orjson.dumps([*(getattr(self, name) for name in _SCALARS), *self.latency_counts])

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        values = orjson.loads(data)
        scalars = dict(zip(_SCALARS, values, strict=False))
        return cls(**scalars, latency_counts=tuple(values[len(_SCALARS) :]))

    @classmethod
    def sum(cls, parts: Iterable["Counts"]) -> "Counts":
        """Everything added up, peaks too: of gateways side by side this is an upper bound."""
        found = list(parts)
        if len(found) == 1:
            return found[0]
        scalars = {name: sum(getattr(part, name) for part in found) for name in _SCALARS}
        columns = zip(*(part.latency_counts for part in found), strict=True)
        return Counts(**scalars, latency_counts=tuple(map(sum, columns)) or Counts.latency_counts)


_SCALARS = tuple(each.name for each in fields(Counts) if each.name != "latency_counts")


@dataclass(frozen=True)
class Usage:
    """What one replica used of its machine: worker and runner together."""

    cpu_percent: float
    """Of one core, averaged since the sample before."""
    memory_bytes: int
    """Memory that the replica shares with no other process."""
    gpu_memory_bytes: int = 0
    """0 without a CUDA device."""


@dataclass(frozen=True)
class Sample:
    """One step of a series."""

    start_s: int
    """Begin of the step, seconds since the epoch."""
    step_s: int
    counts: Counts
    usage: tuple[Usage, ...]
    """The last of each replica that ran in this step."""

    @property
    def replicas(self) -> int:
        """How many replicas ran."""
        return len(self.usage)

    @property
    def requests_per_s(self) -> float:
        return self.counts.requests / self.step_s

    @property
    def cpu_percent(self) -> float | None:
        """Of one core, averaged over the replicas; None without one."""
        return sum(u.cpu_percent for u in self.usage) / len(self.usage) if self.usage else None

    @property
    def memory_bytes(self) -> float | None:
        """Averaged over the replicas; None without one."""
        return sum(u.memory_bytes for u in self.usage) / len(self.usage) if self.usage else None


@dataclass(frozen=True)
class Totals:
    """Cumulative counts of one served entity, as an OpenMetrics counter wants them (they start anew when Redis is emptied)."""

    requests: int = 0
    ok: int = 0
    client_errors: int = 0
    refused: int = 0
    server_errors: int = 0
    latency_sum_ms: float = 0.0
    latency_counts: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_MS) + 1)
    """By class of LATENCY_BOUNDS_MS; not cumulative over the classes."""


@dataclass(frozen=True)
class Load:
    """What an entity has in hand just now, over all gateways."""

    waiting: int = 0
    """Requests that no replica has taken yet."""
    in_flight: int = 0
    """Requests that are with a replica or provider."""
    mean_concurrent: float = 0.0
    """Requests in hand, averaged over the last second (requests per second times seconds each)."""

    @property
    def concurrency(self) -> float:
        """What autoscaling goes by: the larger of now and of the last second."""
        return max(float(self.waiting + self.in_flight), self.mean_concurrent)


def latency_class(latency_ms: float) -> int:
    """Position of a latency in `latency_counts`."""
    return bisect_left(LATENCY_BOUNDS_MS, latency_ms)


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
    return Counts(**{**{name: getattr(together, name) for name in _SCALARS}, **peaks}, latency_counts=together.latency_counts)


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
