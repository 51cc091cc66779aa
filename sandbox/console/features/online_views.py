"""The page of an online table: its state as it changes, its syncs, and what is done with it."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable
from sandbox.console.catalog.detail_views import DeleteInput
from sandbox.console.catalog.kinds import TABLE, url_of
from sandbox.console.features import code, copies
from sandbox.console.features.copies import Copy, find_copy
from sandbox.console.features.files import csv_file
from sandbox.console.requests import PageRequest, caller_of
from sandbox.errors import ApiError
from sandbox.features import online_tables
from sandbox.features.models import OnlineTable, Sync

SYNCS_PER_PAGE, SYNCS_IN_FILE = 20, 10_000
_HEAD = ("created_at", "kind", "cause", "from_version", "to_version", "rows", "deleted", "seconds", "state", "message")


@login_required
@never_cache
@require_GET
def online_table(request: PageRequest, full_name: str) -> HttpResponse:
    """State, rows of source and copy, who uses it, every sync; the live part alone for htmx."""
    caller = caller_of(request)
    copy = find_copy(caller, full_name)
    source = copies.source_of(copy.table)
    sees_source = source.row is not None and visible(caller, Securable.objects.filter(pk=source.row.pk)).exists()
    endpoints, others = copies.used_by(caller, [copy.table.pk])
    behind = (
        source.version - copy.table.synced_version if source.version is not None and copy.table.synced_version is not None else 0
    )
    shown = {
        "copy": copy,
        "table": copy.table,
        "mode": copies.MODES[OnlineTable.Mode(copy.table.mode)],
        "source": source,
        "source_url": url_of(TABLE, copy.table.source_name, "features") if sees_source else "",
        "behind": behind,
        "endpoints": endpoints,
        "other_users": others,
        "page": Paginator(copy.table.syncs.order_by("-created_at", "-pk"), SYNCS_PER_PAGE).get_page(request.GET.get("page")),
        "may_change": copies.may_change(caller, copy.table),
        "call": code.online_table(settings.SITE_URL, copy.table),
    }
    return render(request, "sandbox/features/_online_table.html" if request.htmx else "sandbox/features/online_table.html", shown)


@login_required
@require_POST
def online_sync(request: PageRequest, full_name: str) -> HttpResponse:
    """Sync now; one that waits or runs is left alone."""
    caller = caller_of(request)
    copy = find_copy(caller, full_name)
    _require_change(request, copy)
    started = online_tables.sync_now(caller, copy.table.full_name)
    if copy.latest is not None and started.pk == copy.latest.pk:
        messages.info(request, "A sync is under way already.")
    else:
        messages.success(request, f"The sync of {copy.table.full_name} has started.")
    return redirect(copy.url)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def online_delete(request: PageRequest, full_name: str) -> HttpResponse:
    """Say who uses it, ask for the name, then delete."""
    caller = caller_of(request)
    copy = find_copy(caller, full_name)
    _require_change(request, copy)
    typed = DeleteInput(request.POST or None, wanted=copy.table.full_name)
    if request.method == "POST" and typed.is_valid():
        try:
            online_tables.delete_online_table(caller, copy.table.full_name)
        except ApiError as error:
            typed.add_error("name", error.message)
        else:
            messages.success(request, f"Online table {copy.table.full_name} is deleted. Its source is as it was.")
            return redirect(reverse("feature_list"))
    endpoints, others = copies.used_by(caller, [copy.table.pk])
    shown = {"copy": copy, "table": copy.table, "input": typed, "endpoints": endpoints, "other_users": others}
    return render(request, "sandbox/features/delete.html", shown, status=422 if typed.errors else 200)


@login_required
@require_GET
def online_syncs_file(request: PageRequest, full_name: str) -> HttpResponse:
    """Every sync as CSV, newest first."""
    copy = find_copy(caller_of(request), full_name)
    rows = [_line(sync) for sync in copy.table.syncs.order_by("-created_at", "-pk")[:SYNCS_IN_FILE]]
    return csv_file(f"{copy.table.full_name}-syncs", _HEAD, rows)


def _line(sync: Sync) -> list[Any]:
    took_s = duration_s(sync)
    versions = [sync.from_version, sync.to_version]
    counts = [sync.done_rows, sync.deleted_rows, None if took_s is None else f"{took_s:.3f}"]
    return [sync.created_at.isoformat(), sync.kind, sync.cause, *versions, *counts, sync.state, sync.message]


def duration_s(sync: Sync) -> float | None:
    """None for one that has not begun or not ended."""
    return (sync.ended_at - sync.started_at).total_seconds() if sync.started_at and sync.ended_at else None


def _require_change(request: PageRequest, copy: Copy) -> None:
    if not copies.may_change(caller_of(request), copy.table):
        raise PermissionDenied(
            f"Only {copy.table.created_by}, who made {copy.table.full_name}, or an admin of the workspace may do this."
        )
