"""Pages of an endpoint's inference table: newest rows and counts, one row, read-only SQL and its CSV."""

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.middleware import HtmxDetails

from sandbox.errors import ResourceDoesNotExist
from sandbox.inference_tables import operations, page_data
from sandbox.inference_tables.page_data import TablePage
from sandbox.sql.csv_export import csv_text
from sandbox.sql.limits import PAGE_LIMITS, SqlFailed, SqlResult
from sandbox.sql.run import run_statement
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.sessions import admin_workspace_of, user_of

SHOWN_ROWS = 200
"""Of a query's result on the page; the CSV has all."""


@login_required
@never_cache
@require_GET
def inference_table(request: HttpRequest, name: str) -> HttpResponse:
    """Newest rows and counts, kept up to date; below them a box for SQL."""
    workspace = admin_workspace_of(request)
    page = page_data.table_page(workspace.id, name)
    context = _captured(workspace, page, request.GET.get("page"))
    if _is_fragment(request):
        return render(request, "sandbox/_inference_rows.html", context)
    context["sql"] = request.GET.get("sql") or page_data.example_statements(page)[0].sql
    return render(request, "sandbox/inference_table.html", context)


@login_required
@never_cache
@require_GET
def inference_table_row(request: HttpRequest, name: str, request_id: str) -> HttpResponse:
    """One request and its response, as they were sent."""
    workspace = admin_workspace_of(request)
    page = page_data.table_page(workspace.id, name)
    try:
        row = operations.read_row(workspace.id, page.table, request_id)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    context = _head(page) | {
        "row": page_data.RowView(row, page.entity_name(row.served_entity_id)),
        "request_body": _readable(row.request),
        "response_body": _readable(row.response),
    }
    return render(request, "sandbox/inference_table_row.html", context)


@login_required
@never_cache
@require_POST
def inference_table_sql(request: HttpRequest, name: str) -> HttpResponse:
    """Run the statement; what was typed stays, whatever comes of it."""
    workspace = admin_workspace_of(request)
    page = page_data.table_page(workspace.id, name)
    context, status = _answer(Caller(workspace, user_of(request)), request.POST.get("sql", ""))
    context |= _head(page)
    if _is_fragment(request):
        return render(request, "sandbox/_sql_result.html", context, status=status)
    return render(request, "sandbox/inference_table.html", context | _captured(workspace, page, None), status=status)


@login_required
@never_cache
@require_POST
def inference_table_csv(request: HttpRequest, name: str) -> HttpResponse:
    """The result of the statement as a file; when it fails, the page that says why."""
    workspace = admin_workspace_of(request)
    page = page_data.table_page(workspace.id, name)
    context, status = _answer(Caller(workspace, user_of(request)), request.POST.get("sql", ""))
    result = context.get("result")
    if not isinstance(result, SqlResult):
        return render(
            request, "sandbox/inference_table.html", context | _captured(workspace, page, None) | _head(page), status=status
        )
    response = HttpResponse(csv_text(result), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{page.name}.csv"'
    return response


def _answer(caller: Caller, sql: str) -> tuple[dict[str, Any], int]:
    """The result or the sentence that says what went wrong, and the status of the page that shows it."""
    try:
        result = run_statement(caller, sql, limits=PAGE_LIMITS)
    except SqlFailed as failure:
        return {"sql": sql, "failure": failure.message}, 422
    are_numbers = [column.is_number for column in result.columns]
    shown = [list(zip(row, are_numbers, strict=True)) for row in result.rows[:SHOWN_ROWS]]
    return {"sql": sql, "result": result, "shown_rows": shown, "max_shown_rows": SHOWN_ROWS}, 200


def _head(page: TablePage) -> dict[str, Any]:
    return {"endpoint": page, "tab": "inference_table"}


def _captured(workspace: Workspace, page: TablePage, number: str | None) -> dict[str, Any]:
    """Counts and a page of rows; neither while nothing was captured."""
    context = _head(page)
    if not page_data.has_table(workspace.id, page):
        return context
    description = operations.describe(workspace.id, page.table)
    counts = page_data.count_views(page, operations.count_requests(workspace.id, page.table))
    return context | {
        "examples": page_data.example_statements(page),
        "description": description,
        "counts": counts,
        "chart": page_data.count_chart(counts),
        "page": page_data.row_page(workspace.id, page, description.rows, number),
    }


def _readable(body: str | None) -> str | None:
    """A JSON body indented for reading; any other text as it is."""
    if body is None:
        return None
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def _is_fragment(request: HttpRequest) -> bool:
    htmx = getattr(request, "htmx", None)
    return isinstance(htmx, HtmxDetails) and bool(htmx) and not htmx.boosted
