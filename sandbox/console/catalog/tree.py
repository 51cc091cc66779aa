"""The tree beside the catalog's pages: catalogs, their schemas, and what lies in the one that is open."""

from dataclasses import dataclass, field, replace

from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from sandbox.catalog import captured, securables
from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.catalog.kinds import CATALOG, IN_SCHEMA, SCHEMA, Kind, kind_called, kind_of, url_of
from sandbox.console.requests import PageRequest, caller_of
from sandbox.errors import ResourceDoesNotExist
from sandbox.workspaces.members import Caller

BRANCH_LIMIT = 60
"""So many lines of one branch stand in the tree; the page that lists all is linked below them."""


@dataclass(frozen=True)
class Node:
    """One line of the tree; `branch_url` is empty for what cannot be opened."""

    key: str
    label: str
    icon: str
    url: str
    count: int | None = None
    branch_url: str = ""
    is_open: bool = False
    is_here: bool = False
    nodes: tuple["Node", ...] = ()


@dataclass(frozen=True)
class Path:
    """The object that the page shows, with what lies above it."""

    catalog: str = ""
    schema: str = ""
    kind: str = ""
    here: str = ""
    """`kind:full name` of the object."""
    row: Securable | None = field(default=None, compare=False)


def tree_for(caller: Caller, row: Securable | None = None, *, is_here: bool = True) -> tuple[Node, ...]:
    """The whole tree, opened down to `row`, which is marked as the page's own unless told otherwise."""
    securables.workspace_catalog(caller.workspace)
    captured.adopt(caller.workspace)
    path = _path_to(row) if is_here else replace(_path_to(row), here="")
    catalogs = _of(caller, Securable.objects.filter(parent=None), CATALOG)
    return tuple(_container(caller, each, path) for each in catalogs)


@login_required
@require_GET
def catalog_tree(request: PageRequest) -> HttpResponse:
    """One branch, for htmx: what lies in a catalog, in a schema, or of one kind in a schema."""
    caller, of, name = caller_of(request), request.GET.get("of", ""), request.GET.get("name", "")
    try:
        parent = securables.find(caller.workspace, SecurableType.CATALOG if of == "catalogs" else SecurableType.SCHEMA, name)
        if of == "catalogs":
            nodes = _schemas(caller, parent, Path())
        elif of == "schemas":
            nodes = _groups(caller, parent, Path())
        else:
            nodes = _objects(caller, parent, kind_called(of), Path())
    except (ResourceDoesNotExist, KeyError) as error:
        raise Http404("There is no such branch.") from error
    return render(request, "sandbox/catalog/_tree_nodes.html", {"nodes": nodes})


def _path_to(row: Securable | None) -> Path:
    if row is None:
        return Path()
    kind = kind_of(row)
    here = f"{kind.slug}:{row.full_name}"
    if kind is CATALOG:
        return Path(row.full_name, here=here, row=row)
    if row.parent is None:  # a model of the workspace registry
        return Path(here=here)
    catalog = row.full_name.split(".")[0]
    if kind is SCHEMA:
        return Path(catalog, row.full_name, here=here, row=row)
    return Path(catalog, row.parent.full_name, kind.slug, here, row)


def _container(caller: Caller, row: Securable, path: Path) -> Node:
    """A catalog or a schema."""
    kind = kind_of(row)
    is_open = row.full_name in {path.catalog, path.schema}
    nodes = () if not is_open else _schemas(caller, row, path) if kind is CATALOG else _groups(caller, row, path)
    return Node(
        key=_key(kind.slug, row.full_name),
        label=row.name,
        icon=kind.icon,
        url=url_of(kind, row.full_name),
        branch_url=_branch_url(kind.slug, row.full_name),
        is_open=is_open,
        is_here=path.here == f"{kind.slug}:{row.full_name}",
        nodes=nodes,
    )


def _schemas(caller: Caller, catalog: Securable, path: Path) -> tuple[Node, ...]:
    found = _of(caller, Securable.objects.filter(parent=catalog), SCHEMA)
    return _limited([_container(caller, each, path) for each in found], url_of(CATALOG, catalog.full_name))


def _groups(caller: Caller, schema: Securable, path: Path) -> tuple[Node, ...]:
    """Tables, volumes, functions and models of a schema, each with its number; kinds that it has none of are left out."""
    counts = counts_by_type(caller, schema)
    return tuple(
        Node(
            key=_key(kind.slug, schema.full_name),
            label=kind.plural,
            icon=kind.icon,
            url=f"{url_of(SCHEMA, schema.full_name)}?show={kind.slug}",
            count=counts[kind.type],
            branch_url=_branch_url(kind.slug, schema.full_name),
            is_open=kind.slug == path.kind,
            nodes=_objects(caller, schema, kind, path) if kind.slug == path.kind else (),
        )
        for kind in IN_SCHEMA
        if counts.get(kind.type)
    )


def _objects(caller: Caller, schema: Securable, kind: Kind, path: Path) -> tuple[Node, ...]:
    found = list(_of(caller, Securable.objects.filter(parent=schema), kind))
    if path.row is not None and path.kind == kind.slug and path.row not in found:
        found = [path.row, *found[:-1]]
    nodes = [
        Node(
            key=_key(kind.slug, row.full_name),
            label=row.name,
            icon=kind.icon,
            url=url_of(kind, row.full_name),
            is_here=path.here == f"{kind.slug}:{row.full_name}",
        )
        for row in found
    ]
    return _limited(nodes, f"{url_of(SCHEMA, schema.full_name)}?show={kind.slug}")


def counts_by_type(caller: Caller, schema: Securable) -> dict[str, int]:
    """How many objects of each type the person sees in a schema."""
    found = visible(caller, Securable.objects.filter(parent=schema)).order_by()
    return dict(found.values_list("securable_type").annotate(number=Count("id")))


def _of(caller: Caller, rows: QuerySet[Securable], kind: Kind) -> QuerySet[Securable]:
    found = rows.filter(workspace=caller.workspace, securable_type=kind.type).select_related("parent")
    return visible(caller, found).order_by("name")[: BRANCH_LIMIT + 1]


def _limited(nodes: list[Node], all_url: str) -> tuple[Node, ...]:
    if len(nodes) <= BRANCH_LIMIT:
        return tuple(nodes)
    return (*nodes[:BRANCH_LIMIT], Node("", "Show all", "dots", all_url))


def _key(slug: str, full_name: str) -> str:
    """An id for the page: names may hold anything but spaces, periods and slashes."""
    return f"tree-{slug}-{full_name.encode().hex()}"


def _branch_url(slug: str, full_name: str) -> str:
    return f"{reverse('catalog_tree')}?{urlencode({'of': slug, 'name': full_name})}"
