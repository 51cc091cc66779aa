"""The order in which options are shown: decided by the attempt's seed, so that it survives a reload; pure."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def shuffled(options: Sequence[T], seed: int, position: int) -> list[T]:
    """The options of the question at `position`, always in the same order for the same seed."""
    shown = list(options)
    Random(f"{seed}:{position}").shuffle(shown)  # noqa: S311 - fairness, not secrecy: the seed stays on the server
    return shown
