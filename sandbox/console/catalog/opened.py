"""What every page of an object begins with: the object by name, for a person who may know of it, and what she may do there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sandbox.catalog import access, securables, tables
from sandbox.catalog.models import Securable
from sandbox.console.catalog import tree
from sandbox.console.catalog.kinds import CATALOG, MODEL, TABLE, Kind, Tab, kind_called, kind_of, url_of
from sandbox.console.requests import PageRequest, caller_of
from sandbox.errors import ResourceDoesNotExist
from sandbox.registry import registered_models
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

Json = dict[str, Any]


@dataclass(frozen=True)
class Crumb:
    """One level above the object, or the object itself."""

    label: str
    icon: str
    url: str


@dataclass(frozen=True)
class Opened:
    """A securable object that `caller` may know of; `held` are her privileges on it or above it."""

    caller: Caller
    row: Securable
    held: frozenset[str]

    @property
    def kind(self) -> Kind:
        return kind_of(self.row)

    @property
    def url(self) -> str:
        return url_of(self.kind, self.row.full_name)

    @property
    def name(self) -> str:
        """The full name as operations take it, whatever characters it has."""
        return (
            securables.quoted(self.row.full_name.split(".")) if self.row.parent_id or self.kind is CATALOG else self.row.full_name
        )

    @property
    def me(self) -> str:
        return person(self.caller.user)

    @property
    def can_manage(self) -> bool:
        """Owner, admin or MANAGE: may change, grant and delete."""
        return access.MANAGE in self.held

    def may(self, privilege: str) -> bool:
        """Whether she has the privilege, not counting USE_CATALOG and USE_SCHEMA above the object."""
        return privilege in self.held or (access.ALL_PRIVILEGES in self.held and privilege != access.MANAGE)

    @property
    def crumbs(self) -> list[Crumb]:
        """From the catalog down to the object's parent."""
        above = reversed(access.chain(self.row)[1:])
        return [Crumb(each.name, kind_of(each).icon, url_of(kind_of(each), each.full_name)) for each in above]

    @property
    def tabs(self) -> list[tuple[Tab, str]]:
        """Of a table without a primary key there are no features."""
        has_features = self.kind is TABLE and bool(self.row.table.primary_key)
        tabs = (tab for tab in self.kind.tabs if tab.slug != "features" or has_features)
        return [(tab, self.url + (f"{tab.slug}/" if tab.slug else "")) for tab in tabs]

    def shown(self, tab: str = "") -> Json:
        """What the frame around every page of the object needs."""
        return {"opened": self, "securable": self.row, "tab": tab, "tree": tree.tree_for(self.caller, self.row)}


SecurablePage = Callable[Concatenate[PageRequest, Opened, ...], HttpResponse]


def open_securable(caller: Caller, kind: Kind, full_name: str) -> Opened:
    """Http404 for what is not there and for what the person may not know of: the same answer."""
    try:
        row = _find(caller, kind, full_name)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    if not access.visible(caller, Securable.objects.filter(pk=row.pk)).exists():
        raise Http404(securables.missing(kind.type, row.full_name).message)
    return Opened(caller, row, access.privileges_of(caller, row))


def _find(caller: Caller, kind: Kind, full_name: str) -> Securable:
    """Raises ResourceDoesNotExist. Names in addresses are not quoted: no part of one has a period."""
    if kind is MODEL:
        return registered_models.find_model(caller.workspace, full_name)
    quoted = securables.quoted(full_name.split("."))
    return tables.find(caller, quoted) if kind is TABLE else securables.find(caller.workspace, kind.type, quoted)


def securable_page(*methods: str) -> Callable[[SecurablePage], Any]:
    """A view of one object by name, for whoever has any privilege on it; its kind comes from the address."""

    def decorate(view: SecurablePage) -> Any:
        def answer(request: PageRequest, kind: str, full_name: str, **parameters: Any) -> HttpResponse:
            return view(request, open_securable(caller_of(request), kind_called(kind), full_name), **parameters)

        return login_required(never_cache(require_http_methods(list(methods))(wraps(view)(answer))))

    return decorate


def require_manage(opened: Opened) -> None:
    """Raises PermissionDenied (a page with 403) unless the person may change the object."""
    if not opened.can_manage:
        raise PermissionDenied(
            f"You need to own {opened.row.full_name}, or MANAGE on it. Ask its owner {opened.row.owner} or an admin."
        )
