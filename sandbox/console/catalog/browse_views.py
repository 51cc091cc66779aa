"""Pages that list: all catalogs, what a search finds, the schemas of a catalog, and what lies in a schema."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sandbox.catalog import securables
from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.catalog import code, tree
from sandbox.console.catalog.kinds import CATALOG, IN_SCHEMA, MODEL, SCHEMA, VOLUME, Kind, kind_called, kind_of, url_of
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.requests import PageRequest, caller_of

PER_PAGE = 50
Json = dict[str, Any]
Line = tuple[Securable, Kind, str, int | None]
"""An object, its kind, its address, and how much lies in it (None where that says nothing)."""


@login_required
@never_cache
@require_GET
def catalog_home(request: PageRequest) -> HttpResponse:
    """The catalogs; with `q` everything that the person sees whose name or comment has the words."""
    caller, asked = caller_of(request), _asked(request)
    tree_nodes = tree.tree_for(caller, securables.workspace_catalog(caller.workspace), is_here=False)
    shown: Json = {"tree": tree_nodes, "q": asked, "opened": None}
    mine = visible(caller, Securable.objects.filter(workspace=caller.workspace).select_related("parent"))
    if asked:
        found = _matching(mine, asked).exclude(securable_type=MODEL.type, parent=None).order_by("full_name")
    else:
        found = mine.filter(securable_type=SecurableType.CATALOG).order_by("name")
    shown |= {
        "page": _page(request, found),
        "can_create": caller.is_admin,
        "create_kind": CATALOG,
        "call": code.browse(settings.SITE_URL, None),
    }
    shown["lines"] = _lines(shown["page"].object_list)
    return render(request, "sandbox/catalog/home.html", shown)


@securable_page("GET")
def catalog_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """The schemas of a catalog."""
    found = _matching(_children(opened).filter(securable_type=SecurableType.SCHEMA), _asked(request))
    page = _page(request, found)
    shown = opened.shown() | {
        "page": page,
        "lines": _lines(page.object_list),
        "q": _asked(request),
        "can_create": opened.may("CREATE_SCHEMA"),
        "create_kind": SCHEMA,
        "call": code.browse(settings.SITE_URL, opened.row),
    }
    return render(request, "sandbox/catalog/catalog.html", shown)


@securable_page("GET")
def schema_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """What lies in a schema, all of it or of one kind."""
    chosen = _chosen(request)
    if chosen is None and request.GET.get("show"):
        return redirect(opened.url)
    found = _matching(_children(opened), _asked(request))
    if chosen is not None:
        found = found.filter(securable_type=chosen.type)
    counts = tree.counts_by_type(opened.caller, opened.row)
    page = _page(request, found)
    shown = opened.shown() | {
        "page": page,
        "lines": _lines(page.object_list),
        "q": _asked(request),
        "show": chosen,
        "counts": [(kind, counts.get(kind.type, 0)) for kind in IN_SCHEMA],
        "total": sum(counts.values()),
        "can_create": opened.may("CREATE_VOLUME"),
        "create_kind": VOLUME,
        "call": code.browse(settings.SITE_URL, opened.row, chosen),
        "first": _first_of(opened.row.full_name, chosen),
    }
    return render(request, "sandbox/catalog/schema.html", shown)


def _first_of(schema: str, chosen: Kind | None) -> list[Json]:
    """How to make the first object of each kind that a schema may be short of, as code."""
    site = settings.SITE_URL
    made = {
        "tables": ("A table", code.first_table(site, schema)),
        "functions": ("A function", code.first_function(schema)),
        "models": ("A model", code.first_model(site, schema)),
        "volumes": ("A volume", code.create(site, VOLUME, schema, "uploads", "Files that were sent to us")),
    }
    return [
        {"slug": slug, "title": made[slug][0], "tabs": made[slug][1]} for slug in made if chosen is None or chosen.slug == slug
    ]


def _children(opened: Opened) -> QuerySet[Securable]:
    return visible(opened.caller, Securable.objects.filter(parent=opened.row)).order_by("name", "securable_type")


def _lines(rows: Any) -> list[Line]:
    """With the number of objects in each catalog and schema, counted for the page at once."""
    listed = list(rows)
    holders = [row.pk for row in listed if kind_of(row) in {CATALOG, SCHEMA}]
    counted = Securable.objects.filter(parent__in=holders).values_list("parent_id").annotate(number=Count("id")).order_by()
    inside = dict(counted) if holders else {}
    return [(row, kind_of(row), _url(row), inside.get(row.pk, 0) if row.pk in holders else None) for row in listed]


def _url(row: Securable) -> str:
    return url_of(kind_of(row), row.full_name)


def _page(request: PageRequest, found: QuerySet[Securable]) -> Any:
    return Paginator(found, PER_PAGE).get_page(request.GET.get("page"))


def _matching(found: QuerySet[Securable], asked: str) -> QuerySet[Securable]:
    for word in asked.split():
        found = found.filter(Q(full_name__icontains=word) | Q(comment__icontains=word))
    return found


def _asked(request: PageRequest) -> str:
    return (request.GET.get("q") or "").replace("\0", "").strip()[:200]


def _chosen(request: PageRequest) -> Kind | None:
    try:
        kind = kind_called(request.GET.get("show", ""))
    except KeyError:
        return None
    return kind if kind in IN_SCHEMA else None
