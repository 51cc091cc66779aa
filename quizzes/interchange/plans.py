"""What a dry run comes to: each item with what would happen to it; and what the author chose for the file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from quizzes.item_specs import ItemSpec

STATES = ("new", "changed", "same", "refused")


@dataclass(frozen=True)
class Wishes:
    """What the author chose: the bank for new items, and values for what a file does not say. Dates in ISO form."""

    bank: str
    title: str = ""
    """Of a bank that is to be made; empty for one that is there."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """By name of quizzes.interchange.portable.META."""


@dataclass
class Entry:
    """One item of the file. `where`: its line, or its file in an archive."""

    where: str
    key: str
    state: str
    bank: str = ""
    reasons: list[str] = field(default_factory=list)
    """Why it is refused; else what is to be known about it."""
    changes: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """The outcome of a dry run. With a problem nothing can be imported, whatever the author says."""

    entries: list[Entry] = field(default_factory=list)
    losses: list[tuple[str, str]] = field(default_factory=list)
    """(where, what was changed or left out while the file was read)."""
    problems: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(entry.state == state for entry in self.entries)

    @property
    def digest(self) -> str:
        """Two plans with the same digest do the same."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Candidate:
    """An item that would be written: its entry, its mapping, and what that says."""

    entry: Entry
    data: dict[str, Any]
    spec: ItemSpec
