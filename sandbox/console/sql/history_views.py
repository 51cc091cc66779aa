"""The page with the statements that were run: one's own, or for an admin all of the workspace."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sandbox.console.requests import PageRequest, caller_of
from sandbox.console.sql import sent
from sandbox.errors import ResourceDoesNotExist
from sandbox.sql import statements
from sandbox.sql.live_statements import ENDED
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

PER_PAGE = 50
FILTERS = (
    ("", "All"),
    ("SUCCEEDED", "Succeeded"),
    ("FAILED", "Failed"),
    ("CANCELED", "Canceled"),
    ("RUNNING", "Running"),
)


@dataclass(frozen=True)
class Line:
    """One statement of the history; `duration_ms` and `rows` are None while it runs."""

    statement_id: str
    text: str
    state: str
    who: str
    sent_at: datetime
    duration_ms: int | None
    rows: int | None
    problem: str

    @property
    def duration_s(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000


@login_required
@never_cache
@require_GET
def sql_history(request: PageRequest) -> HttpResponse:
    """`state` and `mine` filter; the last 500 statements of the workspace are kept."""
    caller = caller_of(request)
    state = next((key for key, _ in FILTERS if key == request.GET.get("state")), "")
    only_mine = not caller.is_admin or request.GET.get("mine") == "1"
    lines = [line for line in [*_running(caller), *_ended(caller, only_mine)] if _fits(line, state)]
    context: dict[str, Any] = {
        "page": Paginator(lines, PER_PAGE).get_page(request.GET.get("page")),
        "filters": FILTERS,
        "state": state,
        "only_mine": only_mine,
        "sees_all": caller.is_admin,
    }
    return render(request, "sandbox/sql/history.html", context)


def _fits(line: Line, state: str) -> bool:
    return not state or line.state == state or (state == "RUNNING" and line.state not in ENDED)


def _running(caller: Caller) -> list[Line]:
    """One's own statements that the history does not have yet."""
    lines = []
    for each in sent.last(caller):
        try:
            state = statements.get(caller, each.statement_id)["status"]["state"]
        except ResourceDoesNotExist:
            continue
        if state not in ENDED:
            sent_at = _time(each.submitted_ms)
            lines.append(Line(each.statement_id, each.text, state, person(caller.user), sent_at, None, None, ""))
    return lines


def _ended(caller: Caller, only_mine: bool) -> list[Line]:
    return [
        Line(
            entry["statement_id"],
            entry["text"],
            entry["state"],
            entry["user"],
            _time(entry["submitted_ms"]),
            entry["duration_ms"],
            entry["rows"],
            entry["error"],
        )
        for entry in statements.history(caller, everybody=not only_mine)
    ]


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
