"""The features of a table: its keys, what the values look like, who produces and uses them, and its online copies."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from sandbox.catalog import functions, lineage, table_rows, tables
from sandbox.catalog.access import visible
from sandbox.catalog.column_types import Column
from sandbox.catalog.delta import Snapshot
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import Securable
from sandbox.console.catalog.kinds import FUNCTION, url_of
from sandbox.console.catalog.lineage_views import Line, shown_to
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.features import code, copies
from sandbox.console.features.files import csv_file
from sandbox.console.features.statistics import SAMPLE_ROWS, FeatureStatistics, statistics
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError
from sandbox.features.spec import FeatureSpec, SpecError
from sandbox.sql.limits import SqlFailed

PER_PAGE = 20
MAX_FEATURES_IN_FILE, MAX_SPECS = 200, 50
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
        "specs": _specs_of(opened, {each.node.name for each in line}),
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
    rows = [_line(feature, facts[feature.name]) for feature in features[:MAX_FEATURES_IN_FILE]]
    return csv_file(f"{opened.row.name}-features", _HEAD, rows)


def _line(feature: Column, facts: FeatureStatistics) -> list[Any]:
    top = facts.bars[0].label if facts.bars and not facts.is_number else ""
    counts = [facts.rows, facts.nulls, facts.nans, facts.distinct]
    return [feature.name, feature.type_text, feature.comment, *counts, facts.least, facts.mean, facts.most, top]


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


def _specs_of(opened: Opened, listed: set[str]) -> list[tuple[str, str]]:
    """Feature specs that look the table up, with their addresses, also while no endpoint serves them."""
    named = Securable.objects.filter(workspace=opened.row.workspace, function__language=functions.FEATURE_SPEC)
    may_name = named.filter(function__definition__icontains=opened.row.name).select_related("function").order_by("full_name")
    found = []
    for row in visible(opened.caller, may_name)[:MAX_SPECS]:
        with suppress(SpecError):
            spec = FeatureSpec.from_json(row.function.definition)
            if row.full_name not in listed and any(each.table.lower() == opened.row.full_name for each in spec.lookups):
                found.append((row.full_name, url_of(FUNCTION, row.full_name)))
    return found


def _lineage(opened: Opened) -> list[Line]:
    """Direct and further neighbours as the person may see them, nearest first."""
    center = Node(Kind.TABLE, opened.row.full_name)
    graph = lineage.around(opened.row.workspace, center)
    return sorted(shown_to(opened.caller, graph, center).lines, key=lambda line: (abs(line.level), line.node))
