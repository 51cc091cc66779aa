"""What endpoints did, as numbers: requests, latencies, what replicas used of their machine, what is in hand. No Redis."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

import orjson

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)
"""Upper edges of the latency histogram; one more class holds what is slower."""


@dataclass(frozen=True)
class Totals:
    """Counts of one served entity that only add up, as an OpenMetrics counter wants them (anew when Redis is emptied)."""

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
    latency_counts: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_MS) + 1)
    """Requests by class of LATENCY_BOUNDS_MS; not cumulative over the classes."""


@dataclass(frozen=True)
class Counts(Totals):
    """Requests of one served entity over some time, and how long they took."""

    peak_concurrent: int = 0
    """The most requests in hand at the same time, waiting ones included (added up over gateways)."""
    peak_waiting: int = 0
    """The most requests that waited for a replica at the same time (added up over gateways)."""

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
        return orjson.dumps([*(getattr(self, name) for name in SCALARS), *self.latency_counts])

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        values = orjson.loads(data)
        scalars = dict(zip(SCALARS, values, strict=False))
        return cls(**scalars, latency_counts=tuple(values[len(SCALARS) :]))

    @classmethod
    def sum(cls, parts: Iterable["Counts"]) -> "Counts":
        """Everything added up, peaks too: of gateways side by side this is an upper bound."""
        found = list(parts)
        if len(found) == 1:
            return found[0]
        scalars = {name: sum(getattr(part, name) for part in found) for name in SCALARS}
        columns = zip(*(part.latency_counts for part in found), strict=True)
        return Counts(**scalars, latency_counts=tuple(map(sum, columns)) or Counts.latency_counts)


SCALARS = tuple(each.name for each in fields(Counts) if each.name != "latency_counts")
"""Fields of `Counts` that are one number each."""


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
