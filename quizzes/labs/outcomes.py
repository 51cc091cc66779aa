"""What a check is given and what it says; plain data."""

from dataclasses import dataclass
from typing import Literal

from sandbox.public import CapturedRequest, EndpointSummary

VerdictWord = Literal["pass", "fail", "error", "not-run"]


@dataclass(frozen=True)
class LabState:
    """The learner's workspace as far as a lab looks at it, read at one moment."""

    endpoint: EndpointSummary | None
    """None: there is no endpoint of the lab's name."""
    requests: tuple[CapturedRequest, ...]
    """Rows of the endpoint's inference table since the run began."""
    model: str
    champion_version: str
    challenger_version: str


@dataclass(frozen=True)
class Outcome:
    """A verdict, and what was expected beside what was found."""

    verdict: VerdictWord
    expected: str
    got: str


def passed(expected: str, got: str) -> Outcome:
    return Outcome("pass", expected, got)


def failed(expected: str, got: str) -> Outcome:
    return Outcome("fail", expected, got)


def not_run(expected: str, why: str) -> Outcome:
    return Outcome("not-run", expected, why)
