"""The SQL editor's page: what to begin with, or a statement that was sent, with its state and result."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sandbox.catalog import securables
from sandbox.catalog.models import SecurableType
from sandbox.console.catalog import tree
from sandbox.console.requests import PageRequest, caller_of
from sandbox.console.sql import code, prepared, rows, scopes, shown
from sandbox.console.sql.scopes import Scope
from sandbox.console.sql.shown import ShownStatement
from sandbox.errors import ResourceDoesNotExist
from sandbox.jail.errors import JailRefused
from sandbox.sql import statements
from sandbox.sql.limits import MAX_STATEMENT_BYTES
from sandbox.workspaces.members import Caller

Json = dict[str, Any]


@login_required
@never_cache
@require_GET
def sql_editor(request: PageRequest) -> HttpResponse:
    """The editor with a statement that was sent (`statement`), the first rows of a `table`, an `example`, `sql`, or nothing."""
    caller = caller_of(request)
    with suppress(JailRefused):  # a statement will say so
        statements.warm_up()
    opened = shown.find(caller, request.GET["statement"]) if request.GET.get("statement") else None
    scope = scopes.current(request, caller)
    if opened and opened.scope and not request.GET.get("scope"):
        scope = opened.scope
    return render(request, "sandbox/sql/editor.html", page(request, caller, scope, _text(request, caller, scope, opened), opened))


def page(request: PageRequest, caller: Caller, scope: Scope, text: str, opened: ShownStatement | None, problem: str = "") -> Json:
    """All that the page needs; `problem` is why a statement was not even taken."""
    own = {"sql": text, "problem": problem, "examples": prepared.examples(caller, scope)}
    return fragment(request, opened, scope) | surroundings(caller, scope) | own


def surroundings(caller: Caller, scope: Scope) -> Json:
    """The list of schemas and the tree."""
    shown_tree = tree.tree_for(caller, _schema(caller, scope), is_here=False)
    return {"scope": scope, "schemas": scopes.listed(caller, scope), "tree": shown_tree}


def fragment(request: PageRequest, opened: ShownStatement | None, scope: Scope) -> Json:
    """What the part below the editor needs."""
    context: Json = {"statement": opened, "scope": scope}
    if opened is None:
        return context
    context["call"] = code.execute(settings.SITE_URL, opened.text, opened.scope or scope)
    if opened.result is not None and opened.result.columns:
        found = rows.page_of(opened.result, request.GET.get("page"))
        context |= {"heads": rows.heads(opened.result), "rows": rows.cells(opened.result, found), "page": found}
    return context


def _text(request: PageRequest, caller: Caller, scope: Scope, opened: ShownStatement | None) -> str:
    if opened is not None:
        return opened.text
    if request.GET.get("table"):
        return prepared.select_from(request.GET["table"][:800])
    wanted = request.GET.get("example", "")
    found = next((each.sql for each in prepared.examples(caller, scope) if each.key == wanted), "") if wanted else ""
    return found or request.GET.get("sql", "")[:MAX_STATEMENT_BYTES]


def _schema(caller: Caller, scope: Scope) -> Any:
    """The schema that the tree is opened at; None when it is not there."""
    try:
        return securables.find(caller.workspace, SecurableType.SCHEMA, securables.quoted([scope.catalog, scope.schema]))
    except ResourceDoesNotExist:
        return None
