"""The list of feature tables: tables with a primary key, with their online copies."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.catalog.kinds import FUNCTION, TABLE, url_of
from sandbox.console.features import code, copies
from sandbox.console.requests import PageRequest, caller_of
from sandbox.features import online_stores
from sandbox.workspaces.members import Caller

PER_PAGE = 25


@login_required
@never_cache
@require_GET
def feature_list(request: PageRequest) -> HttpResponse:
    """Feature tables that the person may see, by name; feature specs and online stores beside them."""
    caller, asked = caller_of(request), (request.GET.get("q") or "").replace("\0", "").strip()[:200]
    found = feature_tables(caller)
    total = found.count()
    for word in asked.split():
        found = found.filter(Q(full_name__icontains=word) | Q(comment__icontains=word))
    page = Paginator(found.order_by("full_name"), PER_PAGE).get_page(request.GET.get("page"))
    online = copies.copies_of(page.object_list)
    shown = {
        "page": page,
        "lines": [
            (row, url_of(TABLE, row.full_name, "features"), _features(row), online.get(row.pk, [])) for row in page.object_list
        ],
        "q": asked,
        "total": total,
        "orphans": copies.orphans(caller),
        "specs": [(row, url_of(FUNCTION, row.full_name)) for row in _specs(caller)],
        "stores": online_stores.list_online_stores(caller).prefetch_related("tables"),
        "call": code.make_feature_table(settings.SITE_URL),
    }
    return render(request, "sandbox/features/list.html", shown)


def feature_tables(caller: Caller) -> QuerySet[Securable]:
    """Tables with a primary key, which rows can be looked up by."""
    mine = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.TABLE)
    return visible(caller, mine.select_related("table").exclude(table__primary_key=[]).exclude(table=None))


def _features(row: Securable) -> int:
    return len(row.table.columns) - len(row.table.primary_key)


def _specs(caller: Caller) -> QuerySet[Securable]:
    functions = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.FUNCTION)
    return visible(caller, functions.filter(function__language="FEATURE_SPEC")).order_by("full_name")[:100]
