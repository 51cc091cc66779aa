"""A lab as its file describes it; plain data."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CheckSpec:
    """One check of a lab: its name in CHECKS, what the learner reads, and its share of the score in percent."""

    name: str
    title: str
    weight: int


@dataclass(frozen=True)
class LabSpec:
    """A lab file, read."""

    slug: str
    title: str
    summary: str
    minutes: int
    objective: str
    endpoint: str
    """Name of the endpoint that the learner makes."""
    model: str
    champion_alias: str
    challenger_alias: str
    setup: str
    solve: str
    cleanup: str
    steps: tuple[dict[str, str], ...]
    checks: tuple[CheckSpec, ...]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "LabSpec":
        """From the file's mapping; KeyError or TypeError when a field is missing or unknown."""
        checks = tuple(CheckSpec(**check) for check in raw["checks"])
        return cls(**{**raw, "checks": checks, "steps": tuple(raw["steps"])})
