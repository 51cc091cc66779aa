"""The page of an endpoint's measurements: charts with their tables, as CSV, and how to export them."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from redis.exceptions import RedisError

from sandbox.console import charts, sdk_code
from sandbox.console.endpoint_pages import EntityRow
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.requests import PageRequest, endpoint_page

EXPORT = "/api/2.0/serving-endpoints/{name}/metrics"


@endpoint_page("GET")
def endpoint_metrics(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """Charts over the chosen range, of all entities or of one; the live part alone for htmx."""
    over, chosen = charts.range_of(request.GET.get("range")), _chosen(found, request)
    shown: dict[str, Any] = {
        "endpoint": found.view,
        "tab": "metrics",
        "range": over,
        "ranges": charts.RANGES,
        "chosen": chosen,
        "entities": _entities(found),
        "call": sdk_code.call(
            settings.SITE_URL,
            "serving_endpoints.export_metrics",
            {"name": found.name},
            "GET",
            EXPORT.format(name=found.name),
        ),
    }
    if not found.view.is_preconfigured:
        shown |= _measured(found, chosen, over)
    return render(request, "sandbox/_metrics.html" if request.htmx else "sandbox/endpoint_metrics.html", shown)


@endpoint_page("GET")
def endpoint_metrics_csv(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """Every step of the range as a file."""
    over = charts.range_of(request.GET.get("range"))
    if found.view.is_preconfigured:
        return HttpResponse("This endpoint is shared by all workspaces.\n", status=404, content_type="text/plain")
    try:
        measured = charts.measure(found.view.endpoint_id, _entities(found), _chosen(found, request), over)
    except RedisError:
        return HttpResponse("The measurements cannot be read now. Try again.\n", status=503, content_type="text/plain")
    response = HttpResponse(charts.csv_text(measured), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.name}-{over.key}.csv"'
    return response


def _measured(found: OpenEndpoint, chosen: str, over: charts.Range) -> dict[str, Any]:
    try:
        measured = charts.measure(found.view.endpoint_id, _entities(found), chosen, over)
    except RedisError:
        return {"is_away": True}
    return {"charts": charts.charts(measured), "summary": charts.summary(measured)}


def _entities(found: OpenEndpoint) -> tuple[EntityRow, ...]:
    """Of the config that answers, or of the one that a start brings back."""
    return found.view.config.entities if found.view.config else ()


def _chosen(found: OpenEndpoint, request: PageRequest) -> str:
    """Name of one entity, or empty for all."""
    wanted = request.GET.get("entity", "")
    return wanted if wanted in {entity.name for entity in _entities(found)} else ""
