"""How many replicas a served entity asks for: pure rules, no database and no clock.

Sizes and rules: serving_semantics C1 [SDK ServedEntityInput; custom-models, create-manage and production-optimization pages].
"""

import math
from dataclasses import dataclass

CONCURRENCY_PER_REPLICA = 4
"""One replica answers four requests at the same time: replicas = concurrency / 4 [create-manage page: GPU; assumed for CPU]."""
SIZES = {"Small": (4, 4), "Medium": (8, 16), "Large": (16, 64)}
"""Workload size -> lowest and highest provisioned concurrency [SDK]."""
DOWN_EVERY_S = 5 * 60.0
"""Scaling down is considered about every five minutes, on the workspace's clock [custom-models page]."""


@dataclass(frozen=True)
class Range:
    """Lowest and highest number of replicas of an entity that is not at zero."""

    lowest: int
    highest: int

    @property
    def is_fixed(self) -> bool:
        return self.lowest == self.highest


@dataclass(frozen=True)
class Plan:
    """What to ask for from now on."""

    replicas: int
    window_replicas: int
    """The most that was needed in the window of scaling down; 0 while there is no window."""
    starts_window: bool = False
    """Whether a new window begins now."""


def replica_range(workload_size: str, low: int | None, high: int | None, *, scale_to_zero: bool) -> Range:
    """The range of a size, or of a provisioned concurrency that was given in numbers (multiples of 4).

    With scale to zero the lower bound is 0: an entity that has been woken starts with one replica.
    """
    if low is None or high is None:
        low, high = SIZES.get(workload_size, SIZES["Small"])
    lowest = 1 if scale_to_zero else max(1, low // CONCURRENCY_PER_REPLICA)
    return Range(lowest, max(lowest, high // CONCURRENCY_PER_REPLICA))


def replicas_needed(concurrency: float, allowed: Range) -> int:
    """Replicas for so many requests at the same time (requests per second × seconds each), within the range."""
    return min(max(math.ceil(concurrency / CONCURRENCY_PER_REPLICA), allowed.lowest), allowed.highest)


def decide(asked: int, needed: int, window_replicas: int, window_age_s: float | None, allowed: Range) -> Plan:
    """Up at once; down at the end of a window, to the most that was needed in it.

    `asked`: replicas asked for now; `window_age_s`: seconds of the workspace's time since the window began, None without one.
    """
    asked = min(max(asked, allowed.lowest), allowed.highest)
    if needed > asked:
        return Plan(needed, needed, starts_window=True)
    if asked == allowed.lowest:
        return Plan(asked, 0)
    if window_age_s is None:
        return Plan(asked, needed, starts_window=True)
    if window_age_s < DOWN_EVERY_S:
        return Plan(asked, max(window_replicas, needed))
    down_to = min(asked, max(window_replicas, needed))
    return Plan(down_to, needed if down_to > allowed.lowest else 0, starts_window=down_to > allowed.lowest)
