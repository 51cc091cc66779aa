"""What an endpoint did lately as OpenMetrics text, under the documented names [metrics-export page].

The gauges speak of the last whole minute, the histogram of everything since the entity was first called. Labels are
assumed: `endpoint_name`, `served_entity_name`, `workload_type`, and `emulated` where a GPU type runs on the CPU.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sandbox import live, measures, metrics
from sandbox.connections import redis_client
from sandbox.errors import PermissionDenied
from sandbox.serving import compute, nodes
from sandbox.serving.autoscaling import CONCURRENCY_PER_REPLICA
from sandbox.serving.models import Endpoint, ServedEntity
from sandbox.serving.representation import config_of

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MINUTE_S = 60
GB = 1_000_000_000
MEMORY_BYTES = {"CPU": 4 * GB, "CPU_MEDIUM": 8 * GB, "CPU_LARGE": 16 * GB}
"""Memory of a model by workload type, what 100 % is [model-serving-limits page]; other types count as CPU here."""


@dataclass(frozen=True)
class Reading:
    """One served entity: its labels, its last whole minute, its totals and its replicas."""

    labels: Mapping[str, str]
    entity: ServedEntity
    minute: measures.Sample
    totals: measures.Totals
    replicas: int


@dataclass(frozen=True)
class Gauge:
    """A documented gauge; `value` None leaves the entity out."""

    name: str
    help: str
    value: Callable[[Reading], float | None]


GAUGES = (
    Gauge("cpu_usage_percentage", "CPU used, of one core, averaged over replicas, last minute", lambda r: r.minute.cpu_percent),
    Gauge("mem_usage_percentage", "Memory used, averaged over replicas, last minute", lambda r: _memory_percentage(r)),
    Gauge(
        "provisioned_concurrent_requests_total",
        "Requests that can be worked on at the same time",
        lambda r: r.replicas * CONCURRENCY_PER_REPLICA,
    ),
    Gauge("request_count_total", "Requests, last minute", lambda r: r.minute.counts.requests),
    Gauge("request_4xx_count_total", "Requests answered 4xx, last minute", lambda r: r.minute.counts.client_errors),
    Gauge("request_5xx_count_total", "Requests answered 5xx, last minute", lambda r: r.minute.counts.server_errors),
)
LATENCY = "request_latency_ms"


def export(endpoint: Endpoint, now_s: float | None = None) -> str:
    """The text for an endpoint read by `operations.get_endpoint`; one without an active config has no samples.

    Raises PermissionDenied for a preconfigured endpoint: its counts are those of every workspace.
    """
    if endpoint.workspace_id == live.SYSTEM_WORKSPACE:
        raise PermissionDenied(
            f"Endpoint {endpoint.name} is preconfigured and shared by all workspaces; its metrics are not exported."
        )
    found = readings(endpoint, time.time() if now_s is None else now_s)
    lines = [line for gauge in GAUGES for line in _gauge(gauge, found)]
    return "\n".join([*lines, *_latency(found), "# EOF", ""])


def readings(endpoint: Endpoint, now_s: float) -> list[Reading]:
    """One for each served entity of the active config."""
    config = config_of(endpoint, endpoint.active_version)
    if config is None:
        return []
    redis = redis_client()
    living = nodes.living_nodes()
    totals = metrics.totals(redis, endpoint.id)
    since_s = (now_s // MINUTE_S - 1) * MINUTE_S
    return [
        Reading(
            labels=_labels(endpoint, entity, is_emulated=compute.is_emulated(entity, living)),
            entity=entity,
            minute=metrics.series(redis, endpoint.id, entity.id, since_s, MINUTE_S, now_s)[0],
            totals=totals.get(entity.id, measures.Totals()),
            replicas=len(live.replicas(redis, entity.id)),
        )
        for entity in config.entities.all()
    ]


def _labels(endpoint: Endpoint, entity: ServedEntity, *, is_emulated: bool) -> dict[str, str]:
    """A GPU type without a GPU says so."""
    labels = {"endpoint_name": endpoint.name, "served_entity_name": entity.name, "workload_type": entity.workload_type}
    if is_emulated:
        labels["emulated"] = "no CUDA device on any node"
    return labels


def _written(labels: Mapping[str, str]) -> str:
    """Names are letters, digits, dashes and underscores: nothing to escape."""
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def _gauge(gauge: Gauge, readings: Iterable[Reading]) -> list[str]:
    values = [(_written(reading.labels), gauge.value(reading)) for reading in readings]
    samples = [f"{gauge.name}{{{labels}}} {value}" for labels, value in values if value is not None]
    return [f"# TYPE {gauge.name} gauge", f"# HELP {gauge.name} {gauge.help}", *samples]


def _latency(readings: Iterable[Reading]) -> list[str]:
    lines = [f"# TYPE {LATENCY} histogram", f"# HELP {LATENCY} Round trip inside the gateway, in milliseconds"]
    for reading in readings:
        labels = _written(reading.labels)
        for edge, count in _cumulative(reading.totals.latency_counts).items():
            lines.append(f'{LATENCY}_bucket{{{labels},le="{edge}"}} {count}')
        lines.append(f"{LATENCY}_count{{{labels}}} {sum(reading.totals.latency_counts)}")
        lines.append(f"{LATENCY}_sum{{{labels}}} {reading.totals.latency_sum_ms}")
    return lines


def _cumulative(counts: tuple[int, ...]) -> Mapping[str, int]:
    """Upper edge of each class -> how many requests took at most that long."""
    edges = [*(str(float(bound)) for bound in measures.LATENCY_BOUNDS_MS), "+Inf"]
    return {edge: sum(counts[: i + 1]) for i, edge in enumerate(edges)}


def _memory_percentage(reading: Reading) -> float | None:
    used = reading.minute.memory_bytes
    allowed = MEMORY_BYTES.get(reading.entity.workload_type, MEMORY_BYTES["CPU"])
    return None if used is None else round(100 * used / allowed, 3)
