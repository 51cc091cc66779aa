"""Scores of responses and attempts; pure."""

from collections.abc import Iterable
from dataclasses import dataclass


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


def score_response(*, is_key: bool) -> float:
    """A point for the key, nothing for a distractor: single best answer, no penalty for guessing."""
    return 1.0 if is_key else 0.0


def score_attempt(answers: Iterable[bool | None]) -> Score:
    """Fold an attempt's questions: True = key chosen, False = distractor chosen, None = open."""
    marks = list(answers)
    given = [mark for mark in marks if mark is not None]
    return Score(raw=sum(score_response(is_key=mark) for mark in given), maximum=float(len(marks)), answered=len(given))
