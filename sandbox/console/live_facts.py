"""What is true of an endpoint's served entities just now: replicas, load, idle time, and the traffic that really came."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from sandbox import live, measures, metrics
from sandbox.connections import redis_client
from sandbox.console.endpoint_pages import EntityRow
from sandbox.serving import compute, scaling
from sandbox.serving.models import Deployment, Endpoint, EndpointKind, ServedEntity
from sandbox.serving.representation import config_of

SPARK_S, SPARK_STEP_S = 15 * 60, 60
"""The picture in the list: requests of each of the last 15 minutes."""


@dataclass(frozen=True)
class Idle:
    """How far an entity is on its way to zero, in the workspace's time."""

    idle_s: float
    limit_s: float
    real_left_s: float
    """Seconds on the wall clock until it scales to zero when nobody calls."""

    @property
    def idle_minutes(self) -> float:
        return min(self.idle_s, self.limit_s) / 60

    @property
    def limit_minutes(self) -> float:
        return self.limit_s / 60

    @property
    def percentage(self) -> int:
        return min(100, round(100 * self.idle_s / self.limit_s))


@dataclass(frozen=True)
class EntityLife:
    """One entity of the active config as it runs now."""

    replicas: int
    devices: tuple[str, ...]
    """Where they compute: `cpu`, `cuda:0`."""
    provisioned_concurrency: int
    concurrency: float
    """Requests in hand now."""
    waiting: int
    is_at_zero: bool
    idle: Idle | None
    """None where it does not scale to zero, or has."""


@dataclass(frozen=True)
class TrafficLine:
    """Configured and observed share of one entity, in percent."""

    entity: EntityRow
    requests: int
    observed: float
    chance: float
    """So far the observed share strays from the configured one by chance alone, in 95 of 100 cases; percentage points."""

    @property
    def difference(self) -> float:
        """Percentage points."""
        return self.observed - self.entity.traffic_percentage

    @property
    def is_more_than_chance(self) -> bool:
        return abs(self.difference) > self.chance


@dataclass(frozen=True)
class Spark:
    """Requests over the last minutes: their sum and a bar for each minute, 0 to 100."""

    requests: int
    heights: tuple[int, ...]

    @property
    def bars(self) -> list[tuple[int, int, int]]:
        """x, y and height of each bar in a picture that is 4 wide for each and 24 high; a minute without requests has none."""
        high = ((i, max(2, round(h * 0.24))) for i, h in enumerate(self.heights) if h)
        return [(i * 4, 24 - h, h) for i, h in high]


def lives(row: Endpoint) -> dict[str, EntityLife]:
    """By entity id, of the active config; nothing for models that run elsewhere, or while Redis is away."""
    config = config_of(row, row.active_version)
    if config is None or row.kind != EndpointKind.CUSTOM:
        return {}
    redis = redis_client()
    found = list(config.entities.all())
    try:
        loads = metrics.loads(redis, [entity.id for entity in found])
        return {entity.id: _life(row, entity, loads[entity.id]) for entity in found}
    except RedisError:
        return {}


def traffic(entities: Sequence[EntityRow], endpoint_id: str) -> list[TrafficLine]:
    """What each entity of the active config was sent since its config became active; empty before the first request."""
    try:
        totals = metrics.totals(redis_client(), endpoint_id)
    except RedisError:
        return []
    counts = [totals[e.entity_id].requests if e.entity_id in totals else 0 for e in entities]
    return traffic_lines(entities, counts)


def traffic_lines(entities: Sequence[EntityRow], counts: Sequence[int]) -> list[TrafficLine]:
    """The same from the numbers of requests."""
    total = sum(counts)
    if not total:
        return []
    return [
        TrafficLine(entity, count, 100 * count / total, _chance(entity.traffic_percentage / 100, total))
        for entity, count in zip(entities, counts, strict=True)
    ]


def sparks(endpoint_ids: Iterable[str]) -> Mapping[str, Spark]:
    """By endpoint id; nothing while Redis is away."""
    redis = redis_client()
    now_s = time.time()
    since_s = now_s - SPARK_S + SPARK_STEP_S
    try:
        return {each: spark(metrics.series(redis, each, None, since_s, SPARK_STEP_S, now_s)) for each in endpoint_ids}
    except RedisError:
        return {}


def spark(samples: Sequence[measures.Sample]) -> Spark:
    counts = [sample.counts.requests for sample in samples]
    highest = max(counts, default=0) or 1
    return Spark(sum(counts), tuple(round(100 * count / highest) for count in counts))


def _life(row: Endpoint, entity: ServedEntity, load: measures.Load) -> EntityLife:
    redis = redis_client()
    replicas = live.replicas(redis, entity.id)
    return EntityLife(
        replicas=len(replicas),
        devices=tuple(sorted({replica.device for replica in replicas})),
        provisioned_concurrency=compute.provisioned_concurrency(entity),
        concurrency=load.concurrency,
        waiting=load.waiting,
        is_at_zero=entity.is_at_zero,
        idle=_idle(row, entity, live.last_invocation_s(redis, entity.id)),
    )


def _idle(row: Endpoint, entity: ServedEntity, last_invocation_s: float | None) -> Idle | None:
    if not entity.scale_to_zero_enabled or entity.is_at_zero or entity.deployment != Deployment.READY:
        return None
    entity.config.endpoint = row  # it is loaded already, with its workspace
    idle_s = max(0.0, scaling.idle_s(entity, last_invocation_s))
    left_s = max(0.0, settings.SCALE_TO_ZERO_IDLE_S - idle_s) / row.workspace.clock_factor
    return Idle(idle_s, settings.SCALE_TO_ZERO_IDLE_S, left_s)


def _chance(share: float, requests: int) -> float:
    """Two standard deviations of a share that is drawn `requests` times, in percentage points."""
    return 200 * math.sqrt(share * (1 - share) / requests)
