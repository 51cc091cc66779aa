"""Where the boxes of a look-up plan stand in its picture, and the same plan as lines of a table. Pure: values in, values out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
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
Edge = tuple[Key, Key]


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

    @property
    def short_online_table(self) -> str:
        return self.online_table.rpartition(".")[2]


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
    edges = list(dict.fromkeys(_edges(plan)))
    used = [place for place, column in enumerate(names) if column]
    columns = _with_lanes([[(place, name) for name in names[place]] for place in used], edges)
    tallest = max(map(len, columns))
    height = HEAD + 2 * MARGIN + tallest * BOX_HEIGHT + (tallest - 1) * ROW_GAP
    boxes: dict[Key, Box] = {}
    for column, keys in enumerate(columns):
        x = MARGIN + column * (BOX_WIDTH + COLUMN_GAP)
        top = HEAD + (height - HEAD - len(keys) * (BOX_HEIGHT + ROW_GAP) + ROW_GAP) // 2
        for row, key in enumerate(keys):
            boxes[key] = Box(key[0], key[1], x, top + row * (BOX_HEIGHT + ROW_GAP))
    width = 2 * MARGIN + len(used) * BOX_WIDTH + (len(used) - 1) * COLUMN_GAP
    curves = tuple(_curve([boxes[key] for key in _way(edge, used)]) for edge in edges)
    drawn = tuple(box for box in boxes.values() if box.place >= 0)
    headings = tuple((MARGIN + column * (BOX_WIDTH + COLUMN_GAP), HEADINGS[place]) for column, place in enumerate(used))
    return Picture(width, height, drawn, curves, headings)


def _with_lanes(columns: list[list[Key]], edges: Sequence[Edge]) -> list[list[Key]]:
    """The columns with a free place wherever an edge passes by; all but the first and last are sorted by what leads to them."""
    used = [column[0][0] for column in columns]
    before: dict[Key, list[Key]] = {}
    for edge in edges:
        way = _way(edge, used)
        for source, target in pairwise(way):
            before.setdefault(target, []).append(source)
        for lane in way[1:-1]:
            column = columns[used.index(-1 - lane[0])]
            if lane not in column:
                column.append(lane)
    for left, column in pairwise(columns[:-1]):
        height = {key: row for row, key in enumerate(left)}
        column.sort(key=lambda key: fmean(height.get(each, 0) for each in before.get(key, left)))
    return columns


def _way(edge: Edge, used: Sequence[int]) -> list[Key]:
    """From column to column; a lane has the place -1 - column, and one for each source."""
    (source, name), target = edge
    passed = [place for place in used if source < place < target[0]]
    return [edge[0], *((-1 - place, f"{source}:{name}") for place in passed), target]


def _edges(plan: LookupPlan) -> Iterator[Edge]:
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


def _curve(way: Sequence[Box]) -> str:
    """Through the middle of every lane, without its box."""
    bend = COLUMN_GAP // 2 + 6
    path = [f"M{way[0].x + BOX_WIDTH} {way[0].y + BOX_HEIGHT // 2}"]
    for source, target in pairwise(way):
        x1, y1 = source.x + BOX_WIDTH, source.y + BOX_HEIGHT // 2
        x2, y2 = target.x, target.y + BOX_HEIGHT // 2
        if source.place < 0:
            path.append(f"H{x1}")
        end = x2 - 4 if target is way[-1] else x2
        path.append(f"C{x1 + bend} {y1} {x2 - bend} {y2} {end} {y2}")
    return "".join(path)
