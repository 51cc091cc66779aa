"""Measurements as charts, tables and CSV: the same numbers in all three."""

import csv
import io
import json
from typing import Any

import pytest

from sandbox import metrics
from sandbox.console.charts import RANGES, charts, csv_text, measure, range_of, summary
from sandbox.console.endpoint_pages import EntityRow
from sandbox.measures import Counts, Usage, latency_class

NOW_S = 1_800_000_007.0
START_S = 1_800_000_000


def entity(name: str, tone: int) -> EntityRow:
    return EntityRow(name, "custom", "m", "1", "Small", "CPU", False, "", "", 50, tone, entity_id=f"id-{name}")


ENTITIES = [entity("a", 1), entity("b", 2)]


def counts(requests: int, refused: int = 0, latency_ms: float = 3.0) -> Counts:
    classes = [0] * len(Counts.latency_counts)
    classes[latency_class(latency_ms)] = requests
    return Counts(
        requests=requests,
        ok=requests - refused,
        client_errors=refused,
        refused=refused,
        peak_concurrent=requests,
        latency_counts=tuple(classes),
    )


@pytest.fixture
def written(redis: Any) -> Any:
    pipe = redis.pipeline()
    metrics.write_counts(pipe, "endpoint", "id-a", "gateway", 10, START_S - 10, counts(30))
    metrics.write_counts(pipe, "endpoint", "id-a", "gateway", 10, START_S, counts(8, refused=2))
    metrics.write_counts(pipe, "endpoint", "id-b", "gateway", 10, START_S, counts(2, latency_ms=900))
    metrics.write_counts(pipe, "endpoint", "id-old", "gateway", 10, START_S - 10, counts(5))
    metrics.write_usage(pipe, "endpoint", "id-a", "r1", Usage(50.0, 1_000_000), NOW_S)
    pipe.execute()
    return redis


def table(measured: Any, key: str) -> dict[str, tuple[Any, ...]]:
    return dict(next(chart for chart in charts(measured) if chart.key == key).rows)


def test_requests_are_told_apart_by_entity(written: Any) -> None:
    measured = measure("endpoint", ENTITIES, "", RANGES[0], NOW_S)
    chart = charts(measured)[0]
    assert chart.columns == ("Requests", "a", "b", "earlier configs")
    assert [values for _, values in chart.rows] == [(10, 8, 2, 0), (35, 30, 0, 5)]
    drawn = {one["name"]: one["data"][-2:] for one in json.loads(chart.option)["series"]}
    assert drawn == {"a": [3.0, 0.8], "b": [0.0, 0.2], "earlier configs": [0.5, 0.0]}


def test_one_entity_alone(written: Any) -> None:
    measured = measure("endpoint", ENTITIES, "b", RANGES[0], NOW_S)
    assert summary(measured).requests == 2
    assert charts(measured)[0].columns == ("Requests", "b")


def test_the_other_pictures(written: Any) -> None:
    measured = measure("endpoint", ENTITIES, "", RANGES[0], NOW_S)
    ((_, errors),) = table(measured, "errors").items()
    assert errors == (0, 2, 0)
    newest = next(iter(table(measured, "capacity").values()))
    assert newest[:3] == (1, 4, 10)
    p50, p99 = next(iter(table(measured, "latency").values()))
    assert 2 <= p50 <= 5
    assert 500 <= p99 <= 1000


def test_every_axis_has_a_name_with_its_unit(written: Any) -> None:
    measured = measure("endpoint", ENTITIES, "", RANGES[0], NOW_S)
    options = [json.loads(chart.option) for chart in charts(measured)]
    assert {option["xAxis"]["name"] for option in options} == {"time (UTC)"}
    assert [option["yAxis"]["name"] for option in options] == ["requests/s", "ms", "requests in 10 s", "replicas, requests"]


def test_the_summary(written: Any) -> None:
    found = summary(measure("endpoint", ENTITIES, "", RANGES[0], NOW_S))
    assert (found.requests, found.peak_concurrent, found.replicas) == (45, 35, 1)
    assert found.error_percentage == pytest.approx(100 * 2 / 45)


def test_the_file_has_every_step(written: Any) -> None:
    measured = measure("endpoint", ENTITIES, "", RANGES[0], NOW_S)
    lines = list(csv.DictReader(io.StringIO(csv_text(measured))))
    assert len(lines) == len(measured.samples) == 90
    assert (lines[-1]["requests"], lines[-1]["refused_429"], lines[-1]["replicas"]) == ("10", "2", "1")
    assert lines[0]["p50_ms"] == ""


def test_nothing_measured_is_no_error(redis: Any) -> None:
    measured = measure("endpoint", ENTITIES, "", RANGES[0], NOW_S)
    assert all(chart.rows == () for chart in charts(measured))
    assert summary(measured).error_percentage is None
    assert len(measured.samples) == 89  # the step that has begun is left out while it is empty


@pytest.mark.parametrize("over", RANGES)
def test_every_range_can_be_read(over: Any, redis: Any) -> None:
    assert len(measure("endpoint", ENTITIES, "", over, NOW_S).samples) >= over.back_s / over.step_s - 2


def test_an_unknown_range_is_the_shortest() -> None:
    assert range_of("forever") == range_of(None) == RANGES[0]
