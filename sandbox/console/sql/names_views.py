"""Names for the editor's completion: what the person may know of in the workspace, as JSON, page by page."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sandbox.catalog import captured, securables, system_tables
from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.requests import PageRequest, caller_of
from sandbox.errors import ApiError
from sandbox.workspaces.members import Caller

Json = dict[str, Any]
NAMES_PER_PAGE = 250
_TYPES = (SecurableType.CATALOG, SecurableType.SCHEMA, SecurableType.TABLE, SecurableType.FUNCTION)


@login_required
@never_cache
@require_GET
def sql_names(request: PageRequest) -> JsonResponse:
    """{"names": [{"name", "type", "columns" | "signature"}], "next": full name to go on `after`, or null}.

    `q` is the beginning of an object's own name. The first page has the system tables too.
    """
    caller = caller_of(request)
    after, beginning = request.GET.get("after", "")[:800], request.GET.get("q", "")[:255].lower()
    found = list(_visible(caller, beginning).filter(full_name__gt=after).order_by("full_name")[: NAMES_PER_PAGE + 1])
    names = [_entry(each) for each in found[:NAMES_PER_PAGE]]
    if not after:
        names += [_entry(each) for each in _system_tables(caller) if each.name.startswith(beginning)]
    more = found[NAMES_PER_PAGE - 1].full_name if len(found) > NAMES_PER_PAGE else None
    return JsonResponse({"names": names, "next": more})


def _visible(caller: Caller, beginning: str) -> QuerySet[Securable]:
    securables.workspace_catalog(caller.workspace)
    captured.adopt(caller.workspace)
    found = Securable.objects.filter(workspace=caller.workspace, securable_type__in=_TYPES, name__startswith=beginning)
    return visible(caller, found).select_related("table", "function")


def _system_tables(caller: Caller) -> Iterable[Securable]:
    for schema in system_tables.schemas(caller, system_tables.SYSTEM_CATALOG):
        try:
            yield from system_tables.tables_of(caller, schema.full_name)
        except ApiError:
            continue


def _entry(row: Securable) -> Json:
    entry: Json = {"name": row.full_name, "type": row.securable_type.lower()}
    if row.securable_type == SecurableType.TABLE:
        entry["columns"] = [[column["name"], column["type_text"]] for column in row.table.columns]
    if row.securable_type == SecurableType.FUNCTION:
        parameters = ", ".join(f"{each['name']} {each['type_text']}" for each in row.function.parameters)
        entry["signature"] = f"({parameters}) → {row.function.return_type_text}"
    return entry
