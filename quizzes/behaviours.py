"""How an attempt behaves, apart from what its items are: when feedback is shown and whether an answer can be changed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """One way of sitting questions."""

    feedback_at_once: bool
    """Rationales are shown after each answer rather than at the end."""
    answers_per_item: int
    """How many answers to one question count as submissions; the last one scores."""


BEHAVIOURS: dict[str, Behaviour] = {"drill": Behaviour(feedback_at_once=True, answers_per_item=1)}
