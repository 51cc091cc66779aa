"""The autoscaler's rules: documented sizes, up at once, down after five quiet minutes, never outside the range."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.serving.autoscaling import DOWN_EVERY_S, Plan, Range, decide, replica_range, replicas_needed


@pytest.mark.parametrize(
    ("size", "scale_to_zero", "expected"),
    [
        ("Small", False, Range(1, 1)),
        ("Medium", False, Range(2, 4)),
        ("Large", False, Range(4, 16)),
        ("Small", True, Range(1, 1)),
        ("Large", True, Range(1, 16)),
        ("", False, Range(1, 1)),
    ],
)
def test_documented_sizes(size: str, scale_to_zero: bool, expected: Range) -> None:
    assert replica_range(size, None, None, scale_to_zero=scale_to_zero) == expected


def test_provisioned_concurrency_goes_before_the_size() -> None:
    assert replica_range("Small", 12, 40, scale_to_zero=False) == Range(3, 10)  # the documented example: 12 is 3 replicas
    assert replica_range("", 0, 8, scale_to_zero=True) == Range(1, 2)


@pytest.mark.parametrize(
    ("concurrency", "expected"), [(0, 1), (4, 1), (4.01, 2), (8, 2), (20, 5), (64, 5)]
)  # 100 requests/s × 0.2 s = 20 [production-optimization page]
def test_replicas_needed(concurrency: float, expected: int) -> None:
    assert replicas_needed(concurrency, Range(1, 5)) == expected


ranges = st.builds(lambda low, more: Range(low, low + more), st.integers(1, 8), st.integers(0, 16))


@given(ranges, st.floats(0, 1000))
def test_what_is_needed_is_enough_or_the_most(allowed: Range, concurrency: float) -> None:
    needed = replicas_needed(concurrency, allowed)
    assert allowed.lowest <= needed <= allowed.highest
    assert needed == allowed.highest or needed * 4 >= concurrency
    assert needed == allowed.lowest or (needed - 1) * 4 < concurrency


def test_up_at_once_down_after_the_window_to_the_most_that_was_needed() -> None:
    allowed = Range(1, 8)
    assert decide(1, 5, 0, None, allowed) == Plan(5, 5, starts_window=True)
    assert decide(5, 7, 5, 10.0, allowed) == Plan(7, 7, starts_window=True)
    assert decide(7, 2, 3, 299.0, allowed) == Plan(7, 3)
    assert decide(7, 2, 3, 300.0, allowed) == Plan(3, 2, starts_window=True)
    assert decide(3, 1, 1, 300.0, allowed) == Plan(1, 0)
    assert decide(1, 1, 0, None, allowed) == Plan(1, 0)


@given(ranges, st.lists(st.tuples(st.integers(0, 30), st.floats(0.1, 120)), min_size=1, max_size=80))
def test_over_any_course_of_load(allowed: Range, course: list[tuple[int, float]]) -> None:
    """`course`: replicas' worth of load, and the seconds until the next look."""
    asked, window_replicas, window_began_s, now_s = allowed.lowest, 0, None, 0.0
    seen: list[tuple[float, int]] = []
    for load, step_s in course:
        now_s += step_s
        needed = replicas_needed(load * 4, allowed)
        seen.append((now_s, needed))
        age_s = None if window_began_s is None else now_s - window_began_s
        plan = decide(asked, needed, window_replicas, age_s, allowed)
        assert allowed.lowest <= plan.replicas <= allowed.highest
        assert plan.replicas >= needed, "up at once"
        if plan.replicas < asked:
            within = [n for at_s, n in seen if at_s > now_s - DOWN_EVERY_S]
            assert plan.replicas >= max(within), "no lower than what was needed in the last five minutes"
        window_began_s = now_s if plan.starts_window else (window_began_s if plan.window_replicas else None)
        asked, window_replicas = plan.replicas, plan.window_replicas


@given(ranges, st.integers(1, 24))
def test_without_load_it_comes_down_within_two_windows(allowed: Range, asked: int) -> None:
    window_replicas, window_began_s = asked, 0.0
    asked = min(max(asked, allowed.lowest), allowed.highest)
    for minute in range(1, 11):
        plan = decide(asked, allowed.lowest, window_replicas, minute * 60 - window_began_s, allowed)
        window_began_s = minute * 60 if plan.starts_window else window_began_s
        asked, window_replicas = plan.replicas, plan.window_replicas
    assert asked == allowed.lowest
    assert math.isclose(DOWN_EVERY_S, 300)
