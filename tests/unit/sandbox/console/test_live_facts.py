"""Observed traffic and the small pictures, from numbers."""

from dataclasses import replace

import pytest

from sandbox.console.endpoint_pages import EntityRow
from sandbox.console.live_facts import spark, traffic_lines
from sandbox.measures import Counts, Sample

CHURN = EntityRow("churn-1", "custom", "main.default.churn", "1", "Small", "CPU", False, "DEPLOYMENT_READY", "", 80, 1)
OTHER = replace(CHURN, name="churn-2", traffic_percentage=20, tone=2)


def test_observed_beside_configured() -> None:
    first, second = traffic_lines([CHURN, OTHER], [150, 50])
    assert (first.observed, first.difference, first.is_more_than_chance) == (75.0, -5.0, False)
    assert first.chance == pytest.approx(5.657, abs=0.001)
    assert (second.requests, second.difference) == (50, 5.0)


def test_more_than_chance_is_said() -> None:
    first, second = traffic_lines([CHURN, OTHER], [500, 500])
    assert first.is_more_than_chance
    assert second.is_more_than_chance


def test_a_share_of_nothing_has_no_chance() -> None:
    alone = replace(CHURN, traffic_percentage=100)
    idle = replace(OTHER, traffic_percentage=0)
    first, second = traffic_lines([alone, idle], [99, 1])
    assert (first.chance, second.chance) == (0.0, 0.0)
    assert second.is_more_than_chance


def test_nothing_is_compared_before_the_first_request() -> None:
    assert traffic_lines([CHURN, OTHER], [0, 0]) == []


def test_a_bar_for_each_minute() -> None:
    samples = [Sample(start, 60, Counts(requests=count), ()) for start, count in ((0, 10), (60, 0), (120, 5))]
    drawn = spark(samples)
    assert (drawn.requests, drawn.heights) == (15, (100, 0, 50))
    assert drawn.bars == [(0, 0, 24), (8, 12, 12)]
    assert spark([]).bars == []
