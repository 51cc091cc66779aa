"""Compare observed facts with what an option claims or what was recorded for it; pure.

An expectation maps the name of a fact to a value, or to one operator: ``{contains: text}``, ``{includes: member}``,
``{between: [low, high]}``, ``{at_least: number}``, ``{isnt: value}``. ``contains`` looks into text, ``includes`` into a list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MISSING = object()
"""Stands for a fact that the program did not report."""


def _contains(got: Any, wanted: Any) -> bool:
    return isinstance(got, str) and str(wanted).lower() in got.lower()


def _includes(got: Any, wanted: Any) -> bool:
    return isinstance(got, list) and wanted in got


def _between(got: Any, wanted: Any) -> bool:
    low, high = wanted
    return isinstance(got, int | float) and bool(low <= got <= high)


def _at_least(got: Any, wanted: Any) -> bool:
    return isinstance(got, int | float) and bool(got >= wanted)


def _isnt(got: Any, wanted: Any) -> bool:
    return bool(got != wanted)


OPERATORS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "contains": ("contains", _contains),
    "includes": ("includes", _includes),
    "between": ("is between", _between),
    "at_least": ("is at least", _at_least),
    "isnt": ("is not", _isnt),
}


@dataclass(frozen=True)
class Comparison:
    """One fact beside what was expected of it."""

    fact: str
    expected: str
    got: str
    agrees: bool


def problems_with(expectation: Any) -> list[str]:
    """Why this cannot be an expectation; empty when it can."""
    if not isinstance(expectation, Mapping) or not expectation:
        return ["must map at least one fact to a value or an operator"]
    found = []
    for fact, wanted in expectation.items():
        if isinstance(wanted, Mapping) and (len(wanted) != 1 or next(iter(wanted)) not in OPERATORS):
            found.append(f"{fact}: give a value or exactly one of {', '.join(OPERATORS)}")
    return found


def compare(expectation: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Comparison]:
    """One comparison for each expected fact, in the order of the expectation."""
    return [_compare_one(fact, wanted, facts.get(fact, MISSING)) for fact, wanted in expectation.items()]


def agrees(expectation: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether every expected fact was observed."""
    return all(comparison.agrees for comparison in compare(expectation, facts))


def _compare_one(fact: str, wanted: Any, got: Any) -> Comparison:
    shown = "not observed" if got is MISSING else str(got)
    if isinstance(wanted, Mapping):
        operator, value = next(iter(wanted.items()))
        word, holds = OPERATORS[operator]
        return Comparison(fact, f"{word} {value}", shown, got is not MISSING and holds(got, value))
    return Comparison(fact, str(wanted), shown, got is not MISSING and type(got) is type(wanted) and got == wanted)
