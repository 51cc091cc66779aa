"""What this gateway counts: plain additions for each request, one pipeline to Redis each second.

Nothing here waits for Redis while a request is answered. What Redis did not take is sent again with the next second.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from sandbox import measures, metrics
from sandbox.measures import Counts, Load, latency_class

logger = logging.getLogger(__name__)
FLUSH_S = 1.0
FORGET_AFTER_S = 3600.0
"""An entity that was not called for this time is dropped from memory; its counts are in Redis."""


class Tally:
    """Sums over some time; what `Counts` is, but changing."""

    __slots__ = ("classes", "client_errors", "latency_sum_ms", "ok", "peak_concurrent", "peak_waiting", "refused", "requests",
                 "server_errors")  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.ok = self.client_errors = self.refused = self.server_errors = 0
        self.peak_concurrent = self.peak_waiting = 0
        self.latency_sum_ms = 0.0
        self.classes = [0] * (len(measures.LATENCY_BOUNDS_MS) + 1)

    def add(self, other: "Tally") -> None:
        self.requests += other.requests
        self.ok += other.ok
        self.client_errors += other.client_errors
        self.refused += other.refused
        self.server_errors += other.server_errors
        self.latency_sum_ms += other.latency_sum_ms
        self.peak_concurrent = max(self.peak_concurrent, other.peak_concurrent)
        self.peak_waiting = max(self.peak_waiting, other.peak_waiting)
        self.classes = [mine + more for mine, more in zip(self.classes, other.classes, strict=True)]

    def counts(self) -> Counts:
        return Counts(
            requests=self.requests,
            ok=self.ok,
            client_errors=self.client_errors,
            refused=self.refused,
            server_errors=self.server_errors,
            latency_sum_ms=round(self.latency_sum_ms, 3),
            peak_concurrent=self.peak_concurrent,
            peak_waiting=self.peak_waiting,
            latency_counts=tuple(self.classes),
        )


class Meter:
    """The counters of one served entity. A request calls `began` once, then `ended` or `moved_on` once."""

    __slots__ = ("buckets", "concurrent", "endpoint_id", "entity_id", "fresh", "last_s", "unsent")

    def __init__(self, endpoint_id: str, entity_id: str) -> None:
        self.endpoint_id, self.entity_id = endpoint_id, entity_id
        self.concurrent = 0
        self.fresh = Tally()
        """Since the last second's flush."""
        self.unsent = Tally()
        """Not yet added to the totals in Redis."""
        self.buckets: dict[int, tuple[int, Tally]] = {}
        """Length of the bucket -> its start and what was counted in it."""
        self.last_s = time.time()

    def began(self) -> None:
        self.concurrent += 1
        if self.concurrent > self.fresh.peak_concurrent:
            self.fresh.peak_concurrent = self.concurrent

    def queued(self, waiting: int) -> None:
        """So many requests of the entity wait for a replica, this one included."""
        if waiting > self.fresh.peak_waiting:
            self.fresh.peak_waiting = waiting

    def moved_on(self) -> None:
        """The request is taken to another entity: here it counts for nothing."""
        self.concurrent -= 1

    def ended(self, status: int, latency_ms: float) -> None:
        self.concurrent -= 1
        fresh = self.fresh
        fresh.requests += 1
        fresh.latency_sum_ms += latency_ms
        fresh.classes[latency_class(latency_ms)] += 1
        if status < 400:
            fresh.ok += 1
        elif status >= 500:
            fresh.server_errors += 1
        else:
            fresh.client_errors += 1
            if status == 429:
                fresh.refused += 1

    @property
    def is_idle(self) -> bool:
        """Nothing happened since the last flush, and nothing is in hand."""
        return not self.fresh.requests and not self.concurrent

    def turn(self, now_s: float, elapsed_s: float, waiting: int) -> Load:
        """Close a second: move what is fresh into the buckets; returns the load. `waiting` is what waits at this moment."""
        fresh, self.fresh = self.fresh, Tally()
        fresh.peak_waiting = max(fresh.peak_waiting, waiting)
        self.unsent.add(fresh)
        for step_s in metrics.STEPS:
            start_s = metrics.bucket_start(now_s, step_s)
            kept = self.buckets.get(step_s)
            if kept is None or kept[0] != start_s:
                kept = self.buckets[step_s] = (start_s, Tally())
            kept[1].add(fresh)
        self.fresh.peak_concurrent = self.concurrent
        self.last_s = now_s
        return Load(waiting, max(0, self.concurrent - waiting), fresh.latency_sum_ms / 1000 / elapsed_s)


class Pulse:
    """All meters of one gateway; `run` writes them down for ever."""

    def __init__(self, waiting: Callable[[str], int]) -> None:
        """`waiting(entity_id)` tells how many requests of the entity wait for a replica."""
        self._waiting = waiting
        self._writer = uuid.uuid4().hex[:12]
        self._meters: dict[str, Meter] = {}
        self._flushed_s = time.monotonic()

    def meter(self, endpoint_id: str, entity_id: str) -> Meter:
        """The counters of the entity."""
        found = self._meters.get(entity_id)
        if found is None:
            found = self._meters[entity_id] = Meter(endpoint_id, entity_id)
        return found

    async def run(self, redis: Any) -> None:
        """Flush each second, for ever."""
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush(redis)
            except Exception as error:  # the loop must outlive every fault of Redis
                logger.warning("counts not written: %s", error)

    async def flush(self, redis: Any) -> None:
        """Write what happened since last time; entities that rest cost nothing."""
        now_s, elapsed_s = time.time(), max(0.001, time.monotonic() - self._flushed_s)
        self._flushed_s = time.monotonic()
        busy = [meter for meter in self._meters.values() if not meter.is_idle]
        if not busy:
            return
        pipe = redis.pipeline(transaction=True)
        sent = []
        for meter in busy:
            load = meter.turn(now_s, elapsed_s, self._waiting(meter.entity_id))
            metrics.write_load(pipe, meter.entity_id, self._writer, load, now_s)
            for step_s, (start_s, tally) in meter.buckets.items():
                metrics.write_counts(pipe, meter.endpoint_id, meter.entity_id, self._writer, step_s, start_s, tally.counts())
            metrics.write_totals(pipe, meter.entity_id, meter.unsent.counts())
            sent.append(meter)
        metrics.prune_active(pipe, now_s)
        self._forget_the_resting(now_s)
        await pipe.execute()
        for meter in sent:
            meter.unsent = Tally()  # nothing was added meanwhile: only this loop turns meters

    def _forget_the_resting(self, now_s: float) -> None:
        for entity_id, meter in list(self._meters.items()):
            if meter.is_idle and now_s - meter.last_s > FORGET_AFTER_S:
                del self._meters[entity_id]
