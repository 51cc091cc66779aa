"""Pages of a table or view: its columns, sample rows of any version, and its history."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from sandbox.catalog import captured, table_rows, tables
from sandbox.catalog.delta_history import HistoryEntry
from sandbox.catalog.models import Tag
from sandbox.console.catalog import code
from sandbox.console.catalog.object_tags import tags_of
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.catalog.sample_rows import SAMPLE_ROWS, sample
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError
from sandbox.sql.limits import PAGE_LIMITS, SqlFailed
from sandbox.sql.run import run_statement

HISTORY_ENTRIES = 200
Json = dict[str, Any]


@securable_page("GET")
def table_columns(request: PageRequest, opened: Opened) -> HttpResponse:
    """Columns with type, comment and tags; the primary key; a view's query."""
    detail = opened.row.table
    tags: dict[str, list[Tag]] = {}
    for tag in Tag.objects.filter(securable=opened.row).exclude(column="").order_by("key"):
        tags.setdefault(tag.column, []).append(tag)
    columns = [
        column
        | {
            "is_key": column["name"] in detail.primary_key,
            "is_timeseries": column["name"] in detail.timeseries_columns,
            "tags": tags.get(column["name"], []),
        }
        for column in detail.columns
    ]
    shown = opened.shown() | {
        "detail": detail,
        "columns": columns,
        "object_tags": tags_of(opened.row),
        "is_view": detail.table_type == tables.VIEW,
        "can_read": opened.may("SELECT"),
        "is_captured": captured.is_captured(opened.row),
        "call": code.show(settings.SITE_URL, opened.row),
    }
    return render(request, "sandbox/catalog/table.html", shown)


@securable_page("GET")
def table_sample(request: PageRequest, opened: Opened) -> HttpResponse:
    """Rows of the newest version, or of the one that `version` names."""
    wanted = request.GET.get("version", "")
    shown: Json = opened.shown("sample") | {
        "call": code.sample(settings.SITE_URL, opened.row.full_name),
        "is_view": opened.row.table.table_type == tables.VIEW,
        "max_rows": SAMPLE_ROWS,
        "wanted": wanted,
    }
    if shown["is_view"]:
        return _view_sample(request, opened, shown)
    try:
        number = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else None
        found = table_rows.snapshot(opened.caller, opened.name, version=number)
    except ApiError as error:
        return render(request, "sandbox/catalog/table_sample.html", shown | {"problem": error}, status=_status(error))
    shown |= {"snapshot": found, "rows": sample(found), "is_old": number is not None, "old_columns": found.columns}
    return render(request, "sandbox/catalog/table_sample.html", shown)


def _view_sample(request: PageRequest, opened: Opened, shown: Json) -> HttpResponse:
    """What the view's query gives now, with the person's own privileges."""
    statement = f"SELECT * FROM {code.sql_name(opened.row.full_name)} LIMIT {SAMPLE_ROWS}"  # noqa: S608 - a quoted name
    try:
        result = run_statement(opened.caller, statement, limits=PAGE_LIMITS)
    except SqlFailed as failure:
        return render(request, "sandbox/catalog/table_sample.html", shown | {"failure": failure.message}, status=422)
    return render(request, "sandbox/catalog/table_sample.html", shown | {"result": result, "rows": result.rows})


@securable_page("GET")
def table_history(request: PageRequest, opened: Opened) -> HttpResponse:
    """Every version: who did what when, and a way to see its rows."""
    shown: Json = opened.shown("history") | {"is_view": opened.row.table.table_type == tables.VIEW}
    if shown["is_view"]:
        return render(request, "sandbox/catalog/table_history.html", shown)
    try:
        entries = table_rows.history(opened.caller, opened.name, HISTORY_ENTRIES)
    except ApiError as error:
        return render(request, "sandbox/catalog/table_history.html", shown | {"problem": error}, status=_status(error))
    shown |= {
        "entries": [(entry, _what(entry), _metrics(entry)) for entry in entries],
        "can_read": opened.may("SELECT"),
        "call": code.history(settings.SITE_URL, opened.row.full_name, max(entries[0].version - 1, 0) if entries else 0),
    }
    return render(request, "sandbox/catalog/table_history.html", shown)


def _status(error: ApiError) -> int:
    """A refusal is shown inside the object's own page, which the person may see."""
    return 403 if error.status == 403 else 400


def _what(entry: HistoryEntry) -> str:
    """The parameters of the operation that say something."""
    said = {key: value for key, value in entry.operation_parameters.items() if value not in {"", "[]", "{}", "None"}}
    return ", ".join(f"{key} {value}" for key, value in said.items())


_METRICS = {
    "numOutputRows": "row{s} written",
    "numTargetRowsInserted": "row{s} inserted",
    "numTargetRowsUpdated": "row{s} updated",
    "numTargetRowsDeleted": "row{s} deleted",
    "numRestoredFiles": "file{s} restored",
}


def _metrics(entry: HistoryEntry) -> str:
    found = ((entry.operation_metrics[key], words) for key, words in _METRICS.items() if key in entry.operation_metrics)
    return ", ".join(f"{number} {words.format(s='' if number == '1' else 's')}" for number, words in found)
