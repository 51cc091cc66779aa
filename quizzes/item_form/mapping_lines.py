"""The lines of a mapping in YAML, and how to put other lines for some of its fields or entries; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from quizzes.interchange.bank_text import plain_lines

ORDER = ("key", "kind", "exam", "objective", "bloom", "difficulty", "stem", "stimulus", "source", "checked_on", "expires_on")
"""Before the first of these that follows it a new field is put; others go before the options."""
COMMENT = re.compile(r"(?:^|\s)(#.*)")


class NotForThisForm(Exception):
    """The item is written in a way that the form cannot keep; the message says what to do."""


@dataclass(frozen=True)
class _Field:
    """A field's lines: the first, and the one after the last; comments above the next field are not among them."""

    first: int
    end: int
    node: yaml.Node


class MappingLines:
    """The lines of a mapping in block style, without the indentation and the dash of what it stands in."""

    def __init__(self, lines: Sequence[str], node: yaml.Node, first: int, above: Sequence[str] = ()) -> None:
        """`first`: line of the mapping in the whole text. `above`: comments before it, as they stand in the list."""
        if not isinstance(node, yaml.MappingNode) or node.flow_style:
            raise NotForThisForm("The item, or one of its options, stands on one line in braces. Edit it as YAML.")
        self.lines, self.node, self.first, self.above = list(lines), node, first, list(above)
        self.column = node.start_mark.column
        self.lost: list[str] = []
        self._new: dict[str, list[str]] = {}
        self._after: dict[str, str] = {}

    def fields(self) -> dict[str, _Field]:
        """The fields by name, in their order."""
        starts = [name.start_mark.line - self.first for name, _ in self.node.value]
        found = {}
        for (name, value), start, end in zip(self.node.value, starts, [*starts[1:], len(self.lines)], strict=True):
            while end > start + 1 and (not self.lines[end - 1].strip() or self.lines[end - 1].startswith("#")):
                end -= 1
            found[str(name.value)] = _Field(start, end, value)
        return found

    def put(self, name: str, value: Any, *, after: str = "") -> None:
        """Other lines for the field; an empty value takes it away."""
        self._new[name] = plain_lines({name: value}) if value not in (None, "", {}) else []
        self._after[name] = after

    def entries(self, name: str) -> list["MappingLines"]:
        """The mappings of the list in this field, each with its own lines."""
        field = self.fields().get(name)
        nodes = field.node.value if field and isinstance(field.node, yaml.SequenceNode) and not field.node.flow_style else []
        starts = [node.start_mark.line - self.first for node in nodes]
        if field is None or not nodes or any(not field.first < start < field.end for start in starts):
            raise NotForThisForm("The options are written in a shorter way than the form knows. Edit them as YAML.")
        inner = nodes[0].start_mark.column - self.column
        tops = [self._top(start, field.first + 1, inner) for start in starts]
        found = []
        for node, top, start, end in zip(nodes, tops, starts, [*tops[1:], field.end], strict=True):
            if any(line[:inner].strip() for line in self.lines[start + 1 : end]):
                raise NotForThisForm("A comment stands further out than the option that it is in. Edit it as YAML.")
            own = [line[inner:] for line in self.lines[start:end]]
            found.append(MappingLines(own, node, start + self.first, self.lines[top:start]))
        return found

    def _top(self, start: int, first: int, inner: int) -> int:
        """Where an entry begins, with the comments above it."""
        while start > first and self.lines[start - 1][: inner - 1].lstrip()[:1] == "#":
            start -= 1
        return start

    def replace_entries(self, name: str, entries: Sequence[Sequence[str]]) -> None:
        """Other entries below the field's own line; the first of their lines are those above the dash."""
        field = self.fields()[name]
        self._new[name] = [self.lines[field.first], *(line for lines in entries for line in lines)]

    def as_entry(self, indent: int) -> list[str]:
        """The lines as an entry of a list whose dashes stand at `indent`."""
        return [*self.above, *in_list(self.written(), indent)]

    def written(self) -> list[str]:
        """The lines with all that was put, from the last change to the first."""
        lines, fields = list(self.lines), self.fields()
        changes: list[tuple[int, int, list[str]]] = []
        for name, new in self._new.items():
            if name in fields:
                changes.append((fields[name].first, fields[name].end, new))
                self.lost += self._comments_in(fields[name]) if name != "options" else []
            else:
                place = self._place(name, fields)
                changes.append((place, place, new))
        for first, end, new in sorted(changes, key=lambda change: change[:2], reverse=True):
            lines[first:end] = new
        return lines

    def _place(self, name: str, fields: Mapping[str, _Field]) -> int:
        """The line where a new field goes."""
        if after := self._after.get(name):
            return fields[after].end
        later = ORDER[ORDER.index(name) + 1 :] if name in ORDER else ()
        return next((fields[other].first for other in (*later, "options") if other in fields), len(self.lines))

    def comments(self) -> list[str]:
        """All comments in the lines and above them; what only looks like one inside a text is not told apart."""
        return [found[1] for line in (*self.above, *self.lines) if (found := COMMENT.search(line))]

    def _comments_in(self, field: _Field) -> list[str]:
        """Comments beside a field that gets other lines; blocks of text hold none."""
        blocks = [node for node in _scalars(field.node) if node.style in ("|", ">")]
        texts = {n - self.first for node in blocks for n in range(node.start_mark.line + 1, node.end_mark.line + 1)}
        found = (COMMENT.search(self.lines[n]) for n in range(field.first, field.end) if n not in texts)
        return [match[1] for match in found if match]


def in_list(lines: Sequence[str], indent: int) -> list[str]:
    """The lines of a mapping as an entry of a list."""
    return [f"{' ' * indent}- {lines[0]}", *(f"{' ' * (indent + 2)}{line}" if line else "" for line in lines[1:])]


def _scalars(node: yaml.Node) -> list[yaml.ScalarNode]:
    if isinstance(node, yaml.MappingNode):
        return [scalar for _, value in node.value for scalar in _scalars(value)]
    return [node] if isinstance(node, yaml.ScalarNode) else []
