"""Where the boxes of a look-up plan stand in its picture, and the same plan as lines of a table. Pure: values in, values out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.features.plan import LookupPlan

BOX_WIDTH, BOX_HEIGHT = 168, 34
COLUMN_GAP, ROW_GAP, MARGIN, HEAD = 44, 10, 12, 30
LABEL_CHARACTERS = 20
PICTURE_COLUMNS = 30
"""A plan with more columns is told by its table alone."""
HEADINGS = ("Sent by the caller", "Online table", "Feature", "Function", "Column of the model")
SENT, TABLE, FEATURE, FUNCTION, MODEL = range(5)
Key = tuple[int, str]


@dataclass(frozen=True)
class Box:
    """One box, in pixels from the top left."""

    place: int
    """Which of the five columns."""
    name: str
    x: int
    y: int

    @property
    def label(self) -> str:
        """Of what has a full name the last part, cut to fit."""
        short = self.name.rpartition(".")[2] if self.place in {TABLE, FUNCTION} else self.name
        return short if len(short) <= LABEL_CHARACTERS else short[: LABEL_CHARACTERS - 1] + "…"

    @property
    def text_x(self) -> int:
        return self.x + 12


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    boxes: tuple[Box, ...]
    curves: tuple[str, ...]
    """Each the `d` of an SVG path."""
    headings: tuple[tuple[int, str], ...]
    """x and words."""

    @property
    def least_width(self) -> int:
        """So narrow it can still be read; on smaller screens it scrolls."""
        return self.width * 17 // 20


@dataclass(frozen=True)
class Line:
    """Where one column comes from."""

    name: str
    type_text: str
    origin: str
    """sent, looked up, or computed."""
    words: str
    default: Any = None
    online_table: str = ""
    is_input: bool = True
    """Whether the model is given it."""


def lines(plan: LookupPlan) -> list[Line]:
    """What the model takes, in its order; then what is only needed on the way."""
    found: dict[str, Line] = {}
    inputs = set(plan.inputs)
    for table in plan.tables:
        keys = ", ".join(f"{theirs} = {ours}" for theirs, ours in table.key.items())
        for feature, name in table.features.items():
            words = f"{feature} of {table.table} where {keys}"
            default = table.defaults.get(name)
            found[name] = Line(name, plan.types[name], "looked up", words, default, table.online_table, name in inputs)
    for call in plan.functions:
        words = f"{call.name}({', '.join(f'{parameter} = {column}' for parameter, column in call.arguments.items())})"
        found[call.output] = Line(call.output, plan.types[call.output], "computed", words, is_input=call.output in inputs)
    for name in plan.sent:
        found[name] = Line(name, plan.types.get(name, ""), "sent", "by whoever calls", is_input=name in inputs)
    order = [*plan.inputs, *(name for name in found if name not in inputs)]
    return [found[name] for name in order if name in found]


def picture(plan: LookupPlan) -> Picture | None:
    """None when there is too much to draw."""
    if len({*plan.types, *plan.inputs}) > PICTURE_COLUMNS:
        return None
    names: tuple[list[str], ...] = (
        list(plan.sent),
        list(dict.fromkeys(table.online_table for table in plan.tables)),
        [name for table in plan.tables for name in table.features.values()],
        [call.output for call in plan.functions],
        list(plan.inputs),
    )
    used = [place for place, column in enumerate(names) if column]
    tallest = max(len(names[place]) for place in used)
    height = HEAD + 2 * MARGIN + tallest * BOX_HEIGHT + (tallest - 1) * ROW_GAP
    boxes: dict[Key, Box] = {}
    headings = []
    for column, place in enumerate(used):
        x = MARGIN + column * (BOX_WIDTH + COLUMN_GAP)
        headings.append((x, HEADINGS[place]))
        top = HEAD + (height - HEAD - len(names[place]) * (BOX_HEIGHT + ROW_GAP) + ROW_GAP) // 2
        for row, name in enumerate(names[place]):
            boxes[place, name] = Box(place, name, x, top + row * (BOX_HEIGHT + ROW_GAP))
    width = 2 * MARGIN + len(used) * BOX_WIDTH + (len(used) - 1) * COLUMN_GAP
    curves = tuple(_curve(boxes[source], boxes[target]) for source, target in dict.fromkeys(_edges(plan)))
    return Picture(width, height, tuple(boxes.values()), curves, tuple(headings))


def _edges(plan: LookupPlan) -> Iterator[tuple[Key, Key]]:
    """A column is drawn from the last box that gives it."""
    gives: dict[str, Key] = {name: (SENT, name) for name in plan.sent}
    for table in plan.tables:
        for ours in table.key.values():
            if ours in gives:
                yield gives[ours], (TABLE, table.online_table)
        for name in table.features.values():
            yield (TABLE, table.online_table), (FEATURE, name)
            gives[name] = (FEATURE, name)
    for call in plan.functions:
        for column in call.arguments.values():
            if column in gives:
                yield gives[column], (FUNCTION, call.output)
        gives[call.output] = (FUNCTION, call.output)
    for name in plan.inputs:
        if name in gives:
            yield gives[name], (MODEL, name)


def _curve(source: Box, target: Box) -> str:
    x1, y1 = source.x + BOX_WIDTH, source.y + BOX_HEIGHT // 2
    x2, y2 = target.x, target.y + BOX_HEIGHT // 2
    bend = COLUMN_GAP // 2 + 6
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 4} {y2}"
