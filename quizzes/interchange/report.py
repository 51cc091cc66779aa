"""What an import or export did to each item: carried, changed, dropped or refused."""

from dataclasses import dataclass, field

from quizzes.interchange.portable import OPTION_TAGS, PORTABLE_KINDS, STAYS_HERE, PortableItem


class Unreadable(Exception):
    """The file as a whole cannot be read; the message says what is wrong and what would work."""


@dataclass(frozen=True)
class Line:
    """One statement of a report. `where`: a line, a file of an archive or an item's key."""

    level: str
    """refused: the item is not taken over; changed: something else stands for it; dropped: it is not there any more."""
    where: str
    message: str


MAX_LINES = 20_000
"""Statements after which a file counts as unreadable: nobody reads on."""


@dataclass
class Report:
    """Statements in the order in which they came up, each once."""

    lines: list[Line] = field(default_factory=list)

    def refused(self, where: str, message: str) -> None:
        self._add(Line("refused", where, message))

    def changed(self, where: str, message: str) -> None:
        self._add(Line("changed", where, message))

    def dropped(self, where: str, message: str) -> None:
        self._add(Line("dropped", where, message))

    def _add(self, line: Line) -> None:
        if line in self.lines[-20:]:
            return
        if len(self.lines) == MAX_LINES:
            raise Unreadable(f"There is more to say about this file than {MAX_LINES} lines. Is it of the chosen format?")
        self.lines.append(line)

    @property
    def refusals(self) -> list[Line]:
        return [line for line in self.lines if line.level == "refused"]


def exportable(items: list[PortableItem], carries: frozenset[str], kinds: frozenset[str], report: Report) -> list[PortableItem]:
    """The items that a format can hold; what it cannot carry of them, and which it cannot hold, goes into the report."""
    kept = []
    for item in items:
        if item.kind not in PORTABLE_KINDS:
            report.refused(item.key, "A computed item has no fixed key; its answers come out of the sandbox.")
        elif item.kind not in kinds:
            report.refused(item.key, f"The format has no items of kind {item.kind}.")
        else:
            lost = [name for name in item.meta if name not in carries]
            lost += [OPTION_TAGS] if OPTION_TAGS not in carries and any(o.misconception for o in item.options) else []
            lost += ["rationale"] if item.kind == "matching" and "matching_rationale" not in carries else []
            report.dropped(item.key, f"Not carried: {', '.join([*lost, *STAYS_HERE])}.")
            kept.append(item)
    return kept
