"""Measurements of an endpoint as charts, as the tables beside them, and as CSV."""

import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox import metrics
from sandbox.connections import redis_client
from sandbox.console.endpoint_pages import EntityRow
from sandbox.measures import Counts, Sample
from sandbox.serving.autoscaling import CONCURRENCY_PER_REPLICA

Json = dict[str, Any]
Value = float | int | None


@dataclass(frozen=True)
class Range:
    """How far the charts look back, and in what steps."""

    key: str
    label: str
    back_s: int
    step_s: int

    @property
    def step_words(self) -> str:
        return f"{self.step_s} seconds" if self.step_s <= 60 else f"{self.step_s // 60} minutes"


RANGES = (
    Range("15m", "15 minutes", 15 * 60, 10),
    Range("1h", "1 hour", 3600, 60),
    Range("6h", "6 hours", 6 * 3600, 300),
    Range("24h", "24 hours", 24 * 3600, 900),
)

TIME_AXIS: Json = {"name": "time (UTC)", "nameLocation": "middle", "nameGap": 26}


@dataclass(frozen=True)
class Chart:
    """One picture and its table: rows newest first, only steps in which something was."""

    key: str
    title: str
    note: str
    option: str
    """ECharts option as JSON."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Value, ...]], ...]


@dataclass(frozen=True)
class Measured:
    """What happened in the range: of everything asked for, and of each entity of the active config."""

    samples: tuple[Sample, ...]
    by_entity: tuple[tuple[EntityRow, tuple[Sample, ...]], ...]

    @property
    def total(self) -> Counts:
        return Counts.sum(sample.counts for sample in self.samples) if self.samples else Counts()


@dataclass(frozen=True)
class Summary:
    """The range in a few numbers; None where there was no request."""

    requests: int
    error_percentage: float | None
    p50_ms: float | None
    p99_ms: float | None
    peak_concurrent: int
    replicas: int


def range_of(key: str | None) -> Range:
    """The range of that key; the shortest for any other."""
    return next((each for each in RANGES if each.key == key), RANGES[0])


def measure(endpoint_id: str, entities: Sequence[EntityRow], chosen: str, over: Range, now_s: float | None = None) -> Measured:
    """Read the measurements; `chosen` is the name of one entity, or empty for all. Raises RedisError."""
    redis = redis_client()
    now_s = time.time() if now_s is None else now_s
    asked = [entity for entity in entities if chosen in {"", entity.name}]
    since_s = now_s - over.back_s + over.step_s

    def read(entity_id: str | None) -> tuple[Sample, ...]:
        return tuple(metrics.series(redis, endpoint_id, entity_id, since_s, over.step_s, now_s))

    by_entity = tuple((entity, read(entity.entity_id)) for entity in asked)
    return _without_begun_step(Measured(by_entity[0][1] if chosen and by_entity else read(None), by_entity))


def _without_begun_step(measured: Measured) -> Measured:
    """Leave out the step that has just begun while nothing was written into it: it is no drop to zero."""
    samples = measured.samples
    if not samples or samples[-1].counts.requests or samples[-1].usage:
        return measured
    return Measured(samples[:-1], tuple((entity, each[:-1]) for entity, each in measured.by_entity))


def summary(measured: Measured) -> Summary:
    total = measured.total
    errors = total.client_errors + total.server_errors
    return Summary(
        requests=total.requests,
        error_percentage=100 * errors / total.requests if total.requests else None,
        p50_ms=total.percentile_ms(0.5),
        p99_ms=total.percentile_ms(0.99),
        peak_concurrent=max((sample.counts.peak_concurrent for sample in measured.samples), default=0),
        replicas=_replicas_lately(measured.samples),
    )


def charts(measured: Measured) -> list[Chart]:
    """Requests, latency, errors, and replicas with concurrency."""
    return [_requests(measured), _latency(measured), _errors(measured), _capacity(measured)]


def csv_text(measured: Measured) -> str:
    """Every step of the range, empty ones too."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["start", "step_s", "requests", "ok", "errors_4xx", "refused_429", "errors_5xx", "p50_ms", "p99_ms",
         "peak_concurrent", "peak_waiting", "replicas", "cpu_percent", "memory_bytes"]
    )  # fmt: skip
    for s in measured.samples:
        c = s.counts
        writer.writerow(
            [datetime.fromtimestamp(s.start_s, UTC).isoformat(), s.step_s, c.requests, c.ok, c.client_errors - c.refused,
             c.refused, c.server_errors, _rounded(c.percentile_ms(0.5)), _rounded(c.percentile_ms(0.99)),
             c.peak_concurrent, c.peak_waiting, s.replicas, _rounded(s.cpu_percent), _rounded(s.memory_bytes)]
        )  # fmt: skip
    return out.getvalue()


# --- the four pictures -------------------------------------------------------------------------

Column = tuple[str, Callable[[Sample], Value]]


def _requests(measured: Measured) -> Chart:
    """Stacked by entity; what configs before this one answered is one more layer."""
    layers = [(entity.name, [s.counts.requests for s in samples], entity.tone) for entity, samples in measured.by_entity]
    everything = [s.counts.requests for s in measured.samples]
    earlier = [total - sum(counts) for total, *counts in zip(everything, *(values for _, values, _ in layers), strict=True)]
    if any(earlier):
        layers.append(("earlier configs", earlier, 6))
    step_s = measured.samples[0].step_s if measured.samples else 1
    drawn = [_bar(name, [round(v / step_s, 3) for v in values], stack="all", tone=tone) for name, values, tone in layers]
    kept = [i for i, total in enumerate(everything) if total]
    rows = [(_time(measured.samples[i]), (everything[i], *(values[i] for _, values, _ in layers))) for i in reversed(kept)]
    names = [name for name, _, _ in layers]
    option = _option(measured.samples, drawn, "requests/s")
    note = "Answered requests per second, by the served entity that answered."
    return Chart("requests", "Requests", note, option, ("Requests", *names), tuple(rows))


def _latency(measured: Measured) -> Chart:
    columns: list[Column] = [
        ("p50 ms", lambda s: _rounded(s.counts.percentile_ms(0.5))),
        ("p99 ms", lambda s: _rounded(s.counts.percentile_ms(0.99))),
    ]
    note = "From the whole request to the answer, inside the gateway: half of the requests were faster than p50, 99 % than p99."
    return _chart(
        "latency", "Latency", note, measured.samples, columns, [_line(1), _line(2)], "ms", lambda s: bool(s.counts.requests)
    )


def _errors(measured: Measured) -> Chart:
    columns: list[Column] = [
        ("4xx", lambda s: s.counts.client_errors - s.counts.refused),
        ("429", lambda s: s.counts.refused),
        ("5xx", lambda s: s.counts.server_errors),
    ]
    note = "4xx: the request was wrong. 429: too many waited. 5xx: the model or a replica failed."
    drawn = [lambda name, values, t=tone: _bar(name, values, "errors", t) for tone in (2, 3, 5)]
    is_kept: Callable[[Sample], bool] = lambda s: bool(s.counts.client_errors + s.counts.server_errors)  # noqa: E731
    unit = f"requests in {measured.samples[0].step_s:g} s" if measured.samples else "requests"
    return _chart("errors", "Errors", note, measured.samples, columns, drawn, unit, is_kept)


def _capacity(measured: Measured) -> Chart:
    columns: list[Column] = [
        ("Replicas", lambda s: s.replicas),
        ("Provisioned", lambda s: s.replicas * CONCURRENCY_PER_REPLICA),
        ("At a time", lambda s: s.counts.peak_concurrent),
        ("Waiting", lambda s: s.counts.peak_waiting),
    ]
    note = (
        f"A replica works on {CONCURRENCY_PER_REPLICA} requests at a time: together, the provisioned concurrency. "
        "What comes beyond it waits, and autoscaling adds replicas."
    )
    drawn = [_line(1, step="end"), _line(4, step="end"), _line(2), _line(5)]
    is_kept: Callable[[Sample], bool] = lambda s: bool(s.replicas or s.counts.peak_concurrent)  # noqa: E731
    return _chart("capacity", "Replicas and concurrency", note, measured.samples, columns, drawn, "replicas, requests", is_kept)


# --- leaves ------------------------------------------------------------------------------------


def _chart(
    key: str,
    title: str,
    note: str,
    samples: Sequence[Sample],
    columns: Sequence[Column],
    draw: Sequence[Callable[[str, list[Value]], Json]],
    unit: str,
    is_kept: Callable[[Sample], bool],
) -> Chart:
    drawn = [one(name, [value(s) for s in samples]) for (name, value), one in zip(columns, draw, strict=True)]
    rows = [(_time(s), tuple(value(s) for _, value in columns)) for s in reversed(samples) if is_kept(s)]
    return Chart(key, title, note, _option(samples, drawn, unit), tuple(name for name, _ in columns), tuple(rows))


def _option(samples: Sequence[Sample], series: list[Json], unit: str) -> str:
    return json.dumps(
        {
            "grid": {"left": 8, "right": 12, "top": 44, "bottom": 22, "containLabel": True},
            "legend": {"top": 0, "right": 0, "type": "scroll", "itemWidth": 14, "itemHeight": 10},
            "tooltip": {"trigger": "axis"},
            "xAxis": {
                "type": "category",
                "data": [_time(s) for s in samples],
                "axisTick": {"show": False},
                **TIME_AXIS,
            },
            "yAxis": {
                "type": "value",
                "name": unit,
                "nameTextStyle": {"align": "left"},
                "minInterval": 0 if unit in {"ms", "requests/s"} else 1,
            },
            "series": series,
        }
    )


def _bar(name: str, values: Sequence[Value], stack: str, tone: int) -> Json:
    return {"type": "bar", "name": name, "data": list(values), "stack": stack, "tone": tone, "barCategoryGap": "15%"}


def _line(tone: int, step: str = "") -> Callable[[str, list[Value]], Json]:
    """A step line keeps its value over the whole step; a single point is seen too."""
    more: Json = {"step": step, "showSymbol": False} if step else {"showSymbol": True, "symbolSize": 4}
    return lambda name, values: {"type": "line", "name": name, "data": values, "tone": tone, "lineStyle": {"width": 2}, **more}


def _replicas_lately(samples: Sequence[Sample]) -> int:
    """Of the last step that is over, or of the one that has begun when that has more."""
    return max((sample.replicas for sample in samples[-2:]), default=0)


def _time(sample: Sample) -> str:
    """UTC."""
    return datetime.fromtimestamp(sample.start_s, UTC).strftime("%H:%M:%S" if sample.step_s < 60 else "%H:%M")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
