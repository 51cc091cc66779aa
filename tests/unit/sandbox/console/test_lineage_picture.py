"""Where the boxes of a lineage picture stand, and what they are called."""

from itertools import pairwise

from sandbox.catalog.lineage import Graph, Node
from sandbox.console.catalog.lineage_picture import BOX_WIDTH, picture

TABLE, RUN = Node("TABLE", "main.default.src"), Node("RUN", "c105d341122940f191e1c412105e4847")
VERSION, ENDPOINT = Node("MODEL_VERSION", "main.default.lin/1"), Node("ENDPOINT", "acc")
EDGES = ((TABLE, RUN), (TABLE, VERSION), (RUN, VERSION), (VERSION, ENDPOINT))


def columns(center: Node, *edges: tuple[Node, Node]) -> dict[Node, int]:
    """The x of each box."""
    nodes = tuple(sorted({node for edge in edges for node in edge}))
    drawn = picture(Graph(nodes, edges, False), center)
    assert drawn is not None
    return {box.node: box.x for box in drawn.boxes}


def test_every_edge_goes_to_the_right() -> None:
    for center in (TABLE, ENDPOINT, VERSION):
        x = columns(center, *EDGES)
        for before, after in pairwise((TABLE, RUN, VERSION, ENDPOINT)):
            assert x[before] + BOX_WIDTH < x[after], (center, before, after)


def test_what_leads_back_to_itself_is_drawn_as_well() -> None:
    x = columns(TABLE, (TABLE, RUN), (RUN, VERSION), (VERSION, RUN))
    assert x[TABLE] < x[RUN] < x[VERSION]


def test_a_run_is_told_by_the_beginning_of_its_id() -> None:
    drawn = picture(Graph((RUN, TABLE), ((TABLE, RUN),), False), TABLE)
    assert drawn is not None
    assert sorted(box.label for box in drawn.boxes) == ["c105d3411229…", "src"]
