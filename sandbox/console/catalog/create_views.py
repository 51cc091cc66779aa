"""The page that creates a catalog, a schema or a volume, with the same as code."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from sandbox.catalog import containers, volumes
from sandbox.console.catalog import code, tree
from sandbox.console.catalog.kinds import CATALOG, SCHEMA, VOLUME, Kind, kind_called, url_of
from sandbox.console.catalog.opened import Opened, open_securable
from sandbox.console.inputs import NO_HELP
from sandbox.console.requests import PageRequest, caller_of
from sandbox.errors import ApiError
from sandbox.workspaces.members import Caller

Json = dict[str, Any]
_PARENT = {SCHEMA: (CATALOG, "CREATE_SCHEMA"), VOLUME: (SCHEMA, "CREATE_VOLUME")}
_PURPOSE = {
    CATALOG: "A catalog is the first of the three names, often one for each stage: dev, staging, prod. It comes with a schema.",
    SCHEMA: "A schema is the second of the three names. It keeps together the tables, files, functions and models of a project.",
    VOLUME: "A volume holds files that are no tables: CSV to load, images, documents. Programs reach them at /Volumes/….",
}


class CreateInput(forms.Form):
    """A name, which is kept in lower case, and what it is for."""

    name = forms.CharField(label="Name", max_length=255, widget=forms.TextInput(attrs=NO_HELP | {"autofocus": True}))
    comment = forms.CharField(label="Comment", required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 2}))


@login_required
@require_http_methods(["GET", "POST"])
def catalog_create(request: PageRequest, kind: str) -> HttpResponse:
    """The form, with its errors, or the new object's page."""
    caller = caller_of(request)
    wanted = _creatable(kind)
    parent = _parent(caller, wanted, request.GET.get("in", ""))
    typed = CreateInput(request.POST or None)
    if request.method == "POST" and typed.is_valid():
        try:
            full_name = _create(caller, wanted, parent, typed.cleaned_data)
        except ApiError as error:
            typed.add_error("name", error.message)
        else:
            messages.success(request, f"{wanted.word} {full_name} is there.")
            return redirect(url_of(wanted, full_name))
    above = parent.row.full_name if parent else ""
    name = str(typed["name"].value() or f"my_{wanted.word.lower()}").lower()
    shown: Json = {
        "kind": wanted,
        "purpose": _PURPOSE[wanted],
        "parent": parent,
        "opened": parent,
        "tree": tree.tree_for(caller, parent.row if parent else None),
        "input": typed,
        "call": code.create(settings.SITE_URL, wanted, above, name, str(typed["comment"].value() or "")),
    }
    return render(request, "sandbox/catalog/create.html", shown, status=422 if typed.errors else 200)


def _creatable(slug: str) -> Kind:
    try:
        kind = kind_called(slug)
    except KeyError:
        kind = None
    if kind not in _PURPOSE:
        raise Http404("Only catalogs, schemas and volumes are created on a page.")
    return kind


def _parent(caller: Caller, kind: Kind, name: str) -> Opened | None:
    """None for a catalog. Http404 for a parent that she may not know of, PermissionDenied when she may not create in it."""
    if kind is CATALOG:
        if not caller.is_admin:
            raise PermissionDenied("Only admins of this workspace create catalogs.")
        return None
    above, privilege = _PARENT[kind]
    opened = open_securable(caller, above, name)
    if not opened.may(privilege):
        raise PermissionDenied(f"You need {privilege.replace('_', ' ')} on {name}. Ask its owner {opened.row.owner}.")
    return opened


def _create(caller: Caller, kind: Kind, parent: Opened | None, given: Json) -> str:
    name, comment = given["name"].strip(), given["comment"]
    if parent is None:
        return containers.create_catalog(caller, name, comment=comment).full_name
    quoted = ".".join("`" + part.replace("`", "``") + "`" for part in (*parent.row.full_name.split("."), name))
    create = containers.create_schema if kind is SCHEMA else volumes.create_volume
    return create(caller, quoted, comment=comment).full_name
