"""How answers score, in this one place; pure.

An answer is a list of authoring positions (1 is what stands first in the bank file):

* single, computed: ``[position of the chosen option]``
* multiple: the positions of the chosen options, ascending
* ordering: the positions of the steps in the order that was given; right is ``[1, 2, 3, …]``
* matching: for each prompt, in authoring order, the position of the option whose text was matched to it; of options with
  the same text the first stands for all

An answer that is entirely right has one point, every other none: all or nothing for every kind, and no penalty for guessing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Part(Protocol):
    """What scoring needs to know of an option, a step or a pair."""

    @property
    def position(self) -> int: ...
    @property
    def prompt(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def is_key(self) -> bool: ...
    @property
    def misconception(self) -> str: ...


ARRANGED = {"ordering", "matching"}
"""Kinds in which everything has a place, rather than some options being chosen."""


@dataclass(frozen=True)
class Score:
    """Points of an attempt: `raw` of `maximum`, with `answered` questions behind it."""

    raw: float
    maximum: float
    answered: int

    @property
    def percentage(self) -> int | None:
        """Whole percent of the answered questions; None before the first answer."""
        return round(100 * self.raw / self.answered) if self.answered else None


def right_answer(kind: str, parts: Sequence[Part]) -> list[int]:
    """The answer that has the point. `parts` in authoring order."""
    if kind == "ordering":
        return [part.position for part in parts]
    if kind == "matching":
        return [first_with_text(parts, pair.text) for pair in parts if pair.prompt]
    return [part.position for part in parts if part.is_key]


def first_with_text(parts: Sequence[Part], text: str) -> int:
    """Position of the first part with this text: matches that read the same are the same."""
    return next(part.position for part in parts if part.text == text)


def score_response(answer: Sequence[int], right: Sequence[int]) -> float:
    """A point for the right answer, nothing for any other."""
    return 1.0 if list(answer) == list(right) else 0.0


def score_attempt(marks: Iterable[float | None]) -> Score:
    """Fold an attempt's questions: the score of each, None where it is open."""
    scores = list(marks)
    given = [mark for mark in scores if mark is not None]
    return Score(raw=float(sum(given)), maximum=float(len(scores)), answered=len(given))


def beliefs_shown(kind: str, parts: Sequence[Part], answer: Sequence[int], right: Sequence[int]) -> list[str]:
    """Tags of the misconceptions that an answer shows: of chosen distractors, misplaced steps and mismatched pairs.

    `parts` in authoring order, `right`: the answer that has the point.
    """
    if kind in ARRANGED:
        placed = _in_order(parts, right) if kind == "ordering" else [part for part in parts if part.prompt]
        wrong = [part for part, given, wanted in zip(placed, answer, right, strict=False) if given != wanted]
    else:
        wrong = [part for part in parts if part.position in answer and not part.is_key]
    return list(dict.fromkeys(part.misconception for part in wrong))


def _in_order(parts: Sequence[Part], positions: Sequence[int]) -> list[Part]:
    by_position = {part.position: part for part in parts}
    return [by_position[position] for position in positions]
