"""Classical item statistics; pure. Every figure carries its n and an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Facility:
    """Mean score as a share of the maximum (0..1; high = easy) with its 95 % Wilson interval."""

    n: int
    value: float
    low: float
    high: float

    @property
    def percentage(self) -> int:
        return round(100 * self.value)


def wilson_interval(successes: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Interval of a share (Wilson 1927); unlike the textbook one it stays within 0..1 for small n."""
    if n <= 0:
        raise ValueError("An interval needs at least one observation.")
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def facility_of(total_score: float, n: int) -> Facility | None:
    """Facility from a sum of 0/1 scores; None when nobody answered."""
    if n == 0:
        return None
    low, high = wilson_interval(total_score, n)
    return Facility(n=n, value=total_score / n, low=low, high=high)


def facility(scores: Sequence[float]) -> Facility | None:
    """Facility of a list of 0/1 scores; None when it is empty."""
    return facility_of(sum(scores), len(scores))
