"""What the SQL page does with a statement: send it, ask for its state until it ends, cancel it, hand out its rows."""

import time
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from sandbox.console.requests import PageRequest, caller_of
from sandbox.console.sql import scopes, sent, shown
from sandbox.console.sql.editor_views import fragment, page, surroundings
from sandbox.console.sql.scopes import Scope
from sandbox.console.sql.sent import Sent
from sandbox.console.sql.shown import ShownStatement
from sandbox.errors import ApiError, BadRequest, ResourceDoesNotExist
from sandbox.sql import live_statements, statements, warehouses
from sandbox.sql.csv_export import csv_text
from sandbox.sql.limits import MAX_STATEMENT_BYTES
from sandbox.workspaces.members import Caller

FIRST_WAIT_S = 0.7
"""Most statements end within it, and need no second request."""
CANCEL_WAIT_S = 2.0
STATEMENT = "sandbox/sql/_statement.html"
_NEWS = {"USE", "CREATE", "ALTER", "DROP"}
"""Statement types after which there may be other names."""


@login_required
@never_cache
@require_POST
def sql_run(request: PageRequest) -> HttpResponse:
    """Send the `part` that was chosen in the editor, or all of `sql`; what was typed stays."""
    caller = caller_of(request)
    typed = request.POST.get("sql", "")
    scope = scopes.parse(request.POST.get("scope", "")) or scopes.current(request, caller)
    scopes.keep(request, caller, scope)
    try:
        statement_id = _submit(caller, request.POST.get("part", "").strip() or typed, scope)
    except ApiError as error:
        return _not_taken(request, caller, scope, typed, error.message)
    if not request.htmx:
        return redirect(_url(statement_id))
    statements.wait(statement_id, FIRST_WAIT_S)
    answer = _fragment(request, caller, shown.find(caller, statement_id), scope)
    answer["HX-Replace-Url"] = _url(statement_id)
    return answer


@login_required
@never_cache
@require_GET
def sql_statement(request: PageRequest, statement_id: str) -> HttpResponse:
    """Another page of the rows, for htmx; by itself the address opens the statement in the editor."""
    if not request.htmx:
        return redirect(_url(statement_id, request.GET.get("page", "")))
    caller = caller_of(request)
    return _fragment(request, caller, shown.find(caller, statement_id), scopes.current(request, caller))


@login_required
@never_cache
@require_GET
def sql_state(request: PageRequest, statement_id: str) -> HttpResponse:
    """How long the statement runs by now; once it has ended, the whole part with its result."""
    caller = caller_of(request)
    found = shown.find(caller, statement_id)
    if found.is_running:
        return render(request, "sandbox/sql/_running.html", {"statement": found})
    answer = _fragment(request, caller, found, found.scope or scopes.current(request, caller))
    answer["HX-Retarget"], answer["HX-Reswap"] = "#statement", "outerHTML"
    return answer


@login_required
@never_cache
@require_POST
def sql_cancel(request: PageRequest, statement_id: str) -> HttpResponse:
    """Ask for the end of one's own statement, and show what became of it."""
    caller = caller_of(request)
    try:
        statements.cancel(caller, statement_id)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    statements.wait(statement_id, CANCEL_WAIT_S)
    if not request.htmx:
        return redirect(_url(statement_id))
    return _fragment(request, caller, shown.find(caller, statement_id), scopes.current(request, caller))


@login_required
@never_cache
@require_GET
def sql_csv(request: PageRequest, statement_id: str) -> HttpResponse:
    """All rows of one's own statement, as far as the result goes."""
    found = shown.find(caller_of(request), statement_id)
    if found.result is None or not found.result.columns:
        raise Http404("The rows of this statement are not kept any more. Run it again.")
    answer = HttpResponse(csv_text(found.result), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="statement-{found.statement_id[:8]}.csv"'
    return answer


def _submit(caller: Caller, statement: str, scope: Scope) -> str:
    """Raises ApiError when it is empty, too long, or when too many wait."""
    if not statement.strip():
        raise BadRequest("There is no statement to run. Write one, or begin with an example.")
    if len(statement.encode("utf-8", "replace")) > MAX_STATEMENT_BYTES:
        raise BadRequest(
            f"The statement is longer than {MAX_STATEMENT_BYTES:,} bytes. Load rows from a file in a volume instead."
        )
    warehouses.start(caller.workspace)
    submitted_ms = time.time_ns() // 1_000_000
    statement_id = statements.submit(caller, statement, catalog=scope.catalog, schema=scope.schema)
    sent.remember(caller, Sent(statement_id, statement, str(scope), submitted_ms))
    return statement_id


def _fragment(request: PageRequest, caller: Caller, found: ShownStatement, scope: Scope) -> HttpResponse:
    """The part below the editor; what a USE, CREATE, ALTER or DROP changed comes with it: the place, the list, the tree."""
    context: dict[str, Any] = fragment(request, found, scope)
    if found.state == live_statements.SUCCEEDED and found.statement_type in _NEWS:
        if found.statement_type == "USE":
            context["scope"] = context["used"] = scopes.after_use(found.text, found.scope or scope)
            scopes.keep(request, caller, context["used"])
        context |= surroundings(caller, context["scope"]) | {"is_news": True}
    return render(request, STATEMENT, context)


def _not_taken(request: PageRequest, caller: Caller, scope: Scope, typed: str, problem: str) -> HttpResponse:
    if request.htmx:
        return render(request, STATEMENT, {"problem": problem, "scope": scope}, status=422)
    return render(request, "sandbox/sql/editor.html", page(request, caller, scope, typed, None, problem), status=422)


def _url(statement_id: str, page_number: str = "") -> str:
    asked = {"statement": statement_id} | ({"page": page_number} if page_number else {})
    return f"{reverse('sql_editor')}?{urlencode(asked)}"
