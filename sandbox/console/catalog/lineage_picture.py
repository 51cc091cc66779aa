"""Where the nodes and edges of a lineage graph stand in its picture: left is what came before. Pure: values in, values out."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.catalog.lineage import Graph, Node

BOX_WIDTH, BOX_HEIGHT = 208, 52
COLUMN_GAP, ROW_GAP, MARGIN = 64, 18, 12
LABEL_CHARACTERS = 22
RUN_CHARACTERS = 13
PICTURE_NODES = 60
"""A larger graph is told by its table alone."""


@dataclass(frozen=True)
class Box:
    """One node of the picture, in pixels from the top left."""

    node: Node
    x: int
    y: int
    is_center: bool

    @property
    def label(self) -> str:
        """The last part of the name, cut to fit; of a run as much of its id as tells it from others."""
        if self.node.kind == "RUN":
            return _cut(self.node.name, RUN_CHARACTERS)
        return _cut(self.node.name if self.node.kind == "ENDPOINT" else self.node.name.rpartition(".")[2])

    @property
    def above(self) -> str:
        """Catalog and schema, cut to fit."""
        return "" if self.node.kind in {"ENDPOINT", "RUN"} else _cut(self.node.name.rpartition(".")[0])

    @property
    def text_x(self) -> int:
        return self.x + 14


@dataclass(frozen=True)
class Curve:
    """An edge as the `d` of an SVG path."""

    d: str


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]

    @property
    def least_width(self) -> int:
        """So narrow it can still be read; on smaller screens it scrolls."""
        return self.width * 17 // 20


def picture(graph: Graph, center: Node) -> Picture | None:
    """None when there is nothing to draw, or too much."""
    if len(graph.nodes) < 2 or len(graph.nodes) > PICTURE_NODES:
        return None
    columns = _columns(graph, center)
    tallest = max(len(nodes) for nodes in columns)
    height = 2 * MARGIN + tallest * BOX_HEIGHT + (tallest - 1) * ROW_GAP
    boxes = {node: box for index, nodes in enumerate(columns) for node, box in _placed(nodes, index, height, center)}
    width = 2 * MARGIN + len(columns) * BOX_WIDTH + (len(columns) - 1) * COLUMN_GAP
    curves = tuple(Curve(_d(boxes[source], boxes[target])) for source, target in graph.edges)
    return Picture(width, height, tuple(boxes.values()), curves)


def levels(graph: Graph, center: Node) -> dict[Node, int]:
    """Steps from the center: below 0 for what it was made from, above 0 for what was made from it."""
    before: dict[Node, list[Node]] = defaultdict(list)
    after: dict[Node, list[Node]] = defaultdict(list)
    for source, target in graph.edges:
        before[target].append(source)
        after[source].append(target)
    found = {center: 0}
    for neighbours, step in ((before, -1), (after, 1)):
        reached = [center]
        while reached:
            next_nodes = []
            for node in reached:
                for other in sorted(neighbours[node]):
                    if other not in found:
                        found[other] = found[node] + step
                        next_nodes.append(other)
            reached = next_nodes
    return found


def _columns(graph: Graph, center: Node) -> list[list[Node]]:
    by_level: dict[int, list[Node]] = defaultdict(list)
    for node, level in _unfolded(graph, levels(graph, center)).items():
        by_level[level].append(node)
    return [sorted(by_level[level]) for level in sorted(by_level)]


def _unfolded(graph: Graph, found: dict[Node, int]) -> dict[Node, int]:
    """The same levels, with nodes of one side moved outwards until each edge between them goes to the right.

    Among nodes that lead back to each other that has no end; they stay where they were.
    """
    moved = dict(found)
    for _ in graph.nodes:
        backwards = [(s, t) for s, t in graph.edges if moved[s] >= moved[t] and moved[s] * moved[t] > 0]
        if not backwards:
            return moved
        for source, target in backwards:
            if moved[source] > 0:
                moved[target] = max(moved[target], moved[source] + 1)
            else:
                moved[source] = min(moved[source], moved[target] - 1)
    return found


def _placed(nodes: list[Node], column: int, height: int, center: Node) -> Iterable[tuple[Node, Box]]:
    """One column, centred from top to bottom."""
    x = MARGIN + column * (BOX_WIDTH + COLUMN_GAP)
    tall = len(nodes) * BOX_HEIGHT + (len(nodes) - 1) * ROW_GAP
    for row, node in enumerate(nodes):
        y = (height - tall) // 2 + row * (BOX_HEIGHT + ROW_GAP)
        yield node, Box(node, x, y, node == center)


def _d(source: Box, target: Box) -> str:
    """From the right side of one box to the left side of the other; around the outside when it goes back."""
    x1, y1 = source.x + BOX_WIDTH, source.y + BOX_HEIGHT // 2
    x2, y2 = target.x, target.y + BOX_HEIGHT // 2
    bend = COLUMN_GAP // 2 + 8
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 4} {y2}"


def _cut(text: str, most: int = LABEL_CHARACTERS) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
