"""The catalog and schema that complete names on the SQL page: from its list, its address, or USE; kept in the session."""

import re
from dataclasses import dataclass

from django.http import HttpRequest

from sandbox.catalog import securables
from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable, SecurableType
from sandbox.workspaces.members import Caller

MAX_LISTED = 500
_SESSION_KEY = "sql_scopes"
_USE = re.compile(
    r"(?>\s|--[^\n]*\n|/\*.*?\*/)*+USE\s+(?:(?P<kind>CATALOG|SCHEMA|DATABASE)\s+)?(?P<first>`[^`]+`|\w+)(?:\s*\.\s*(?P<second>`[^`]+`|\w+))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Scope:
    """Where names of one part are looked for."""

    catalog: str
    schema: str

    def __str__(self) -> str:
        return f"{self.catalog}.{self.schema}"


def parse(text: str) -> Scope | None:
    """`catalog.schema`; None for anything else."""
    parts = text.strip().lower().split(".")
    return Scope(*parts) if len(parts) == 2 and all(parts) and len(text) < 600 else None


def current(request: HttpRequest, caller: Caller) -> Scope:
    """As the address says, else as it was left, else the workspace's own catalog."""
    kept = request.session.get(_SESSION_KEY, {}).get(caller.workspace.id, "")
    return parse(request.GET.get("scope", "")) or parse(kept) or Scope(caller.workspace.catalog, "default")


def keep(request: HttpRequest, caller: Caller, scope: Scope) -> None:
    """A session is written only when it changes: most statements leave it as it is."""
    kept = request.session.get(_SESSION_KEY, {})
    if kept.get(caller.workspace.id) != str(scope) and current(request, caller) != scope:
        request.session[_SESSION_KEY] = {**kept, caller.workspace.id: str(scope)}


def after_use(statement: str, scope: Scope) -> Scope:
    """Where a statement leaves the page that ran under `scope`: USE names another place [docs: USE CATALOG, USE SCHEMA]."""
    found = _USE.fullmatch(statement)
    if found is None:
        return scope
    first, second = ((found[name] or "").strip("`").lower() for name in ("first", "second"))
    if (found["kind"] or "").upper() == "CATALOG":
        return Scope(first, "default")
    return Scope(first, second) if second else Scope(scope.catalog, first)


def listed(caller: Caller, chosen: Scope) -> dict[str, list[str]]:
    """Schemas of each catalog that the person may know of; what is chosen is always among them."""
    securables.workspace_catalog(caller.workspace)
    found = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.SCHEMA)
    names = visible(caller, found).order_by("full_name").values_list("full_name", flat=True)[:MAX_LISTED]
    schemas: dict[str, list[str]] = {}
    for catalog, schema in (name.split(".", 1) for name in [*names, str(chosen)]):
        of = schemas.setdefault(catalog, [])
        if schema not in of:
            of.append(schema)
    return schemas
