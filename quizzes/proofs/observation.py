"""What a proof saw: the exchanges, the facts drawn from them, and rows for a table. Plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any

BODY_LIMIT = 4000
"""Characters of a body that are kept for the page."""


@dataclass(frozen=True)
class Exchange:
    """One HTTP request and its answer. Bodies are text, cut at BODY_LIMIT; the bearer token is never kept."""

    method: str
    path: str
    request_body: str
    status: int
    response_body: str
    response_headers: dict[str, str] = field(default_factory=dict)
    duration_ms: int = 0


@dataclass(frozen=True)
class Observation:
    """The result of a program: `facts` are compared with an option's expectations."""

    facts: dict[str, Any]
    exchanges: list[Exchange] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def cut(text: str) -> str:
    """At most BODY_LIMIT characters, saying what was left out."""
    return text if len(text) <= BODY_LIMIT else f"{text[:BODY_LIMIT]}… ({len(text) - BODY_LIMIT} more characters)"
