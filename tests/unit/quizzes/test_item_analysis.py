"""Facility and its interval against values worked out elsewhere."""

import pytest
from scipy.stats import binomtest

from quizzes.item_analysis import facility, facility_of, wilson_interval


def test_facility_is_the_mean_score() -> None:
    found = facility([1.0, 0.0, 1.0, 1.0])
    assert found is not None
    assert (found.n, found.value, found.percentage) == (4, 0.75, 75)


def test_nobody_answered_means_no_facility() -> None:
    assert facility([]) is None
    assert facility_of(0, 0) is None


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (3, 10), (10, 10), (37, 59), (500, 1000)])
def test_the_interval_is_wilsons(right: int, n: int) -> None:
    expected = binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one observation"):
        wilson_interval(0, 0)
