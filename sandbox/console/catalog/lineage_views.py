"""The lineage of a table, function or model: a picture, and the same as a table; what a person may not see has no name there."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from sandbox.catalog import lineage
from sandbox.catalog.access import visible
from sandbox.catalog.lineage import Graph, Kind, Node
from sandbox.catalog.models import LineageEdge, Securable, SecurableType
from sandbox.console.catalog import code
from sandbox.console.catalog.kinds import FUNCTION, MODEL, TABLE, url_of, version_url
from sandbox.console.catalog.lineage_picture import Picture, levels, picture
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.endpoints import list_endpoints
from sandbox.console.requests import PageRequest
from sandbox.workspaces.members import Caller

WORDS = {"TABLE": "Table", "FUNCTION": "Function", "MODEL_VERSION": "Model version", "ENDPOINT": "Endpoint", "RUN": "MLflow run"}
ICONS = {"TABLE": "table", "FUNCTION": "math-function", "MODEL_VERSION": "package", "ENDPOINT": "rocket", "RUN": "flask"}
HIDDEN = "HIDDEN"
"""Stands for an object that the person may not know of; its name is a number."""
_MODEL_VERSIONS = 8
"""The lineage of a model is that of its newest versions."""


@dataclass(frozen=True)
class Line:
    """One node beside the picture; `url` is empty for what has no page or may not be seen."""

    node: Node
    level: int
    word: str
    icon: str
    url: str

    @property
    def side(self) -> str:
        if self.level == 0:
            return "This object"
        steps = abs(self.level)
        far = "directly" if steps == 1 else f"{steps} steps away"
        return f"Upstream, {far}" if self.level < 0 else f"Downstream, {far}"


@dataclass(frozen=True)
class Shown:
    """What the template draws: boxes and lines with their addresses."""

    picture: Picture | None
    lines: tuple[Line, ...]
    truncated: bool

    @property
    def boxes(self) -> list[tuple[object, Line]]:
        by_node = {line.node: line for line in self.lines}
        return [(box, by_node[box.node]) for box in self.picture.boxes] if self.picture else []


@securable_page("GET")
def lineage_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """What the object was made from and what was made from it."""
    if opened.kind not in {TABLE, FUNCTION, MODEL}:
        raise Http404("This kind of object has no lineage.")
    kind = {TABLE: Kind.TABLE, FUNCTION: Kind.FUNCTION, MODEL: Kind.MODEL_VERSION}[opened.kind]
    center = Node(kind, opened.row.full_name)
    graph = _of_model(opened.row) if opened.kind is MODEL else lineage.around(opened.row.workspace, center)
    shown = opened.shown("lineage") | {
        "lineage": shown_to(opened.caller, graph, center),
        "call": code.lineage(settings.SITE_URL, opened.row.full_name) if opened.kind is TABLE else [],
    }
    return render(request, "sandbox/catalog/lineage.html", shown)


def _of_model(model: Securable) -> Graph:
    """Of the newest versions together: the model itself stands in the middle, in place of each of them."""
    numbers = model.versions.order_by("-version").values_list("version", flat=True)[:_MODEL_VERSIONS]
    center = Node(Kind.MODEL_VERSION, model.full_name)
    nodes, edges, truncated = {center}, set(), False
    for number in numbers:
        own = Node(Kind.MODEL_VERSION, f"{model.full_name}/{number}")
        graph = lineage.around(model.workspace, own)
        as_model = {own: center}
        edges |= {(as_model.get(source, source), as_model.get(target, target)) for source, target in graph.edges}
        nodes |= {as_model.get(node, node) for node in graph.nodes}
        truncated |= graph.truncated
    return Graph(tuple(sorted(nodes)), tuple(sorted(edges)), truncated)


def shown_to(caller: Caller, graph: Graph, center: Node) -> Shown:
    """The graph as this person may see it: other objects lose their names. To admins nothing is hidden, only gone."""
    urls = _urls(caller, graph.nodes) | ({center: ""} if center in graph.nodes else {})
    names: dict[Node, Node] = {}
    for node in graph.nodes:
        hidden = Node(HIDDEN, str(sum(other.kind == HIDDEN for other in names.values()) + 1))
        names[node] = node if node in urls or caller.is_admin else hidden
    masked = replace(
        graph,
        nodes=tuple(names[node] for node in graph.nodes),
        edges=tuple((names[source], names[target]) for source, target in graph.edges),
    )
    steps = levels(masked, center)
    lines = [
        Line(new, steps.get(new, 0), WORDS.get(new.kind, "You may not see this"), ICONS.get(new.kind, "lock"), urls.get(old, ""))
        for old, new in names.items()
    ]
    lines.sort(key=lambda line: (line.level, line.node))
    return Shown(picture(masked, center), tuple(lines), graph.truncated)


def _urls(caller: Caller, nodes: Iterable[Node]) -> dict[Node, str]:
    """Addresses of the nodes that the person may see; runs belong to the workspace as a whole."""
    found: dict[Node, str] = {}
    by_kind: dict[str, list[Node]] = {}
    for node in nodes:
        by_kind.setdefault(node.kind, []).append(node)
    for kind, of in ((Kind.TABLE, TABLE), (Kind.FUNCTION, FUNCTION)):
        seen = _seen(caller, of.type, (node.name for node in by_kind.get(kind, ())))
        found |= {node: url_of(of, node.name) for node in by_kind.get(kind, ()) if node.name in seen}
    versions = by_kind.get(Kind.MODEL_VERSION, [])
    seen = _seen(caller, SecurableType.MODEL, (node.name.rpartition("/")[0] for node in versions))
    for node in versions:
        model, _, number = node.name.rpartition("/")
        if model in seen:
            found[node] = version_url(model, number)
    if endpoints := by_kind.get(LineageEdge.Kind.ENDPOINT):
        named = {endpoint.name for endpoint in list_endpoints(caller)}
        found |= {node: reverse("endpoint_detail", args=[node.name]) for node in endpoints if node.name in named}
    return found | {node: run_url(node.name) for node in by_kind.get(Kind.RUN, [])}


def run_url(run_id: str) -> str:
    """The run in MLflow's own pages."""
    return f"{reverse('mlflow')}#/runs/{run_id}"


def _seen(caller: Caller, of: SecurableType, names: Iterable[str]) -> set[str]:
    wanted = set(names)
    rows = Securable.objects.filter(workspace=caller.workspace, securable_type=of, full_name__in=wanted) if wanted else None
    return set() if rows is None else set(visible(caller, rows).values_list("full_name", flat=True))
