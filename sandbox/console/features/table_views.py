"""The features of a table: its keys, what the values look like, who produces and uses them, and its online copies."""

import csv
import io
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from sandbox.catalog import lineage, table_rows, tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.delta import Snapshot
from sandbox.catalog.lineage import Kind, Node
from sandbox.console.catalog.lineage_views import Line, shown_to
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.features import code, copies
from sandbox.console.features.statistics import SAMPLE_ROWS, FeatureStatistics, statistics
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError
from sandbox.sql.limits import SqlFailed

PER_PAGE = 20
MAX_FEATURES_IN_FILE = 200
Json = dict[str, Any]
_HEAD = ("feature", "type", "comment", "rows", "nulls", "nan", "distinct", "min", "mean", "max", "most_frequent")


@securable_page("GET")
def table_features(request: PageRequest, opened: Opened) -> HttpResponse:
    """Every feature with its statistics; without SELECT the names alone."""
    detail = opened.row.table
    features = [Column.from_json(each) for each in detail.columns if each["name"] not in detail.primary_key]
    page = Paginator(features, PER_PAGE).get_page(request.GET.get("page"))
    found, facts, problem = _measured(opened, list(page.object_list))
    line = _lineage(opened)
    copies_here = copies.copies_of([opened.row]).get(opened.row.pk, [])
    shown = opened.shown("features") | {
        "detail": detail,
        "is_view": detail.table_type == tables.VIEW,
        "keys": [name for name in detail.primary_key if name not in detail.timeseries_columns],
        "page": page,
        "total": len(features),
        "lines": [(feature, facts.get(feature.name)) for feature in page.object_list],
        "snapshot": found,
        "sample_rows": SAMPLE_ROWS,
        "problem": problem,
        "producers": [each for each in line if each.level < 0],
        "consumers": [each for each in line if each.level > 0],
        "copies": copies_here,
        "can_read": opened.may("SELECT"),
        "call": code.read_features(settings.SITE_URL, opened.row),
    }
    return render(request, "sandbox/features/table.html", shown)


@securable_page("GET")
def table_statistics_file(request: PageRequest, opened: Opened) -> HttpResponse:
    """The statistics of all features as CSV; needs SELECT."""
    detail = opened.row.table
    features = [Column.from_json(each) for each in detail.columns if each["name"] not in detail.primary_key]
    _, facts, problem = _measured(opened, features[:MAX_FEATURES_IN_FILE])
    if problem:
        return HttpResponse(f"{problem}\n", status=403, content_type="text/plain; charset=utf-8")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_HEAD)
    writer.writerows(_line(feature, facts[feature.name]) for feature in features[:MAX_FEATURES_IN_FILE])
    response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{opened.row.name}-features.csv"'
    return response


def _line(feature: Column, facts: FeatureStatistics) -> list[Any]:
    top = facts.bars[0].label if facts.bars and not facts.is_number else ""
    numbers = [facts.rows, facts.nulls, facts.nans, facts.distinct]
    texts = [feature.name, feature.type_text, feature.comment], [facts.least, facts.mean, facts.most, top]
    return [*map(_safe, texts[0]), *numbers, *map(_safe, texts[1])]


def _safe(text: str) -> str:
    """What a spreadsheet would run as a formula gets an apostrophe; a negative number is none."""
    is_number = text.lstrip("-").replace(".", "", 1).replace("e", "", 1).isalnum() and text.lstrip("-")[:1].isdigit()
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} and not is_number else text


def _measured(opened: Opened, features: list[Column]) -> tuple[Snapshot | None, dict[str, FeatureStatistics], str]:
    """Snapshot, statistics by name, and why there are none."""
    if opened.row.table.table_type == tables.VIEW:
        return None, {}, "A view has no statistics here."
    try:
        found = table_rows.snapshot(opened.caller, opened.name)
        there = {column.name for column in found.columns}
        wanted = [feature for feature in features if feature.name in there]
        return found, statistics(opened.caller, opened.row.full_name, found, wanted) if wanted else {}, ""
    except ApiError as error:
        return None, {}, error.message
    except SqlFailed as failure:
        return None, {}, f"The statistics could not be computed. {failure.message}"


def _lineage(opened: Opened) -> list[Line]:
    """Direct and further neighbours as the person may see them, nearest first."""
    center = Node(Kind.TABLE, opened.row.full_name)
    graph = lineage.around(opened.row.workspace, center)
    return sorted(shown_to(opened.caller, graph, center).lines, key=lambda line: (abs(line.level), line.node))
