"""Lineage: what was made from what, in both directions [docs: View data lineage using Unity Catalog]."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from sandbox.catalog.models import LineageEdge
from sandbox.workspaces.models import Workspace

Kind = LineageEdge.Kind
MAX_NODES = 200


@dataclass(frozen=True, order=True)
class Node:
    """One end of an edge: a table or function by full name, a model version as `catalog.schema.model/3`, an endpoint by name."""

    kind: str
    name: str


@dataclass(frozen=True)
class Graph:
    """What lies up- and downstream of one object: nodes, and edges as (source, target)."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[Node, Node], ...]
    truncated: bool


def record(workspace: Workspace, source: Node, target: Node) -> None:
    """Note, or note again, that `target` was made from `source` or reads it."""
    LineageEdge.objects.update_or_create(
        workspace=workspace,
        source_kind=source.kind,
        source_name=source.name,
        target_kind=target.kind,
        target_name=target.name,
        defaults={"at": timezone.now()},
    )


def neighbours(workspace: Workspace, node: Node) -> tuple[list[Node], list[Node]]:
    """What lies one step upstream of `node`, and one step downstream; both sorted."""
    upstream = {source for source, _ in _edges(workspace, {node}, upstream=True)}
    downstream = {target for _, target in _edges(workspace, {node}, upstream=False)}
    return sorted(upstream), sorted(downstream)


def around(workspace: Workspace, node: Node) -> Graph:
    """Everything upstream and everything downstream of `node`, at most `MAX_NODES`."""
    edges: set[tuple[Node, Node]] = set()
    nodes = {node}
    truncated = False
    for upstream in (True, False):
        open_nodes = {node}
        while open_nodes and not truncated:
            found = set(_edges(workspace, open_nodes, upstream=upstream)) - edges
            edges |= found
            reached = {source if upstream else target for source, target in found}
            open_nodes = reached - nodes
            nodes |= reached
            truncated = len(nodes) > MAX_NODES
    return Graph(tuple(sorted(nodes)), tuple(sorted(edges)), truncated)


def _edges(workspace: Workspace, nodes: Iterable[Node], *, upstream: bool) -> list[tuple[Node, Node]]:
    by_kind: dict[str, list[str]] = {}
    for node in nodes:
        by_kind.setdefault(node.kind, []).append(node.name)
    side = "target" if upstream else "source"
    found = []
    for kind, names in by_kind.items():
        rows = LineageEdge.objects.filter(workspace=workspace, **{f"{side}_kind": kind, f"{side}_name__in": names})
        found += [(Node(row.source_kind, row.source_name), Node(row.target_kind, row.target_name)) for row in rows]
    return found
