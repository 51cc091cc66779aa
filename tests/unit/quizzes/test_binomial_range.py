"""The believable range of a traffic share against scipy's binomial distribution."""

import pytest
from scipy.stats import binom

from quizzes.labs.statistics import TAIL_PROBABILITY, binomial_range


@pytest.mark.parametrize("n", [1, 2, 10, 100, 101, 160, 999, 5000])
@pytest.mark.parametrize("share", [0.8, 0.2, 0.5, 0.99])
def test_at_most_the_tail_lies_outside_on_each_side(n: int, share: float) -> None:
    low, high = binomial_range(n, share)
    assert binom.cdf(low - 1, n, share) <= TAIL_PROBABILITY
    assert binom.cdf(low, n, share) > TAIL_PROBABILITY
    assert binom.sf(high, n, share) <= TAIL_PROBABILITY
    assert binom.sf(high - 1, n, share) > TAIL_PROBABILITY


def test_of_100_calls_at_80_percent_66_to_92_are_believable() -> None:
    assert binomial_range(100, 0.8) == (66, 92)


@pytest.mark.parametrize(("n", "share"), [(0, 0.5), (10, 0.0), (10, 1.0)])
def test_it_refuses_what_has_no_range(n: int, share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        binomial_range(n, share)
