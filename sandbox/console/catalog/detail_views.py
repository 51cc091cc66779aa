"""The details of an object and the forms that change them, and the page that asks before it is deleted."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from sandbox.catalog import captured
from sandbox.catalog.models import Securable
from sandbox.console.catalog import changes, code, permission_data
from sandbox.console.catalog.kinds import CATALOG, MODEL, SCHEMA, TABLE, kind_of, url_of
from sandbox.console.catalog.object_tags import tags_of
from sandbox.console.catalog.opened import Opened, require_manage, securable_page
from sandbox.console.inputs import NO_HELP, choose_from
from sandbox.console.pairs import PairsField, pairs_text
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError

Json = dict[str, Any]
COMMENT_CHARACTERS = 10_000


class CommentInput(forms.Form):
    """What the object is for."""

    comment = forms.CharField(
        label="Comment", required=False, max_length=COMMENT_CHARACTERS, widget=forms.Textarea(attrs={"rows": 3})
    )


class TagsInput(forms.Form):
    tags = PairsField(label="Tags", value_needed=False)


class PropertiesInput(forms.Form):
    properties = PairsField(label="Properties", value_needed=True, rows=4)


class OwnerInput(forms.Form):
    """A person or group of the workspace."""

    owner = forms.ChoiceField(label="Owner")

    def __init__(self, *args: Any, opened: Opened, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].initial = opened.row.owner
        choices = permission_data.principals(opened.caller.workspace)
        known = {value for _, group in choices for value, _ in group}
        more = [] if opened.row.owner in known else [(opened.row.owner, opened.row.owner)]
        choose_from(self.fields["owner"], [*more, *choices])


class DeleteInput(forms.Form):
    """Its name, typed, so that nothing is deleted by a slip."""

    name = forms.CharField(label="Its name", max_length=800, widget=forms.TextInput(attrs=NO_HELP))

    def __init__(self, *args: Any, wanted: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = wanted

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.strip().lower() != self.wanted.lower():
            raise forms.ValidationError(f"Type {self.wanted} to delete it.")
        return name


def may_comment(opened: Opened) -> bool:
    return opened.can_manage or (opened.kind is TABLE and opened.may("MODIFY"))


def may_tag(opened: Opened) -> bool:
    return opened.can_manage or opened.may("APPLY_TAG")


def may_set_properties(opened: Opened) -> bool:
    is_own_table = opened.kind is TABLE and not opened.row.table.view_definition and not captured.is_captured(opened.row)
    return is_own_table and (opened.can_manage or opened.may("MODIFY"))


@securable_page("GET", "POST")
def securable_details(request: PageRequest, opened: Opened) -> HttpResponse:
    """Facts; each form changes one thing for whoever may."""
    typed: dict[str, forms.Form] = {}
    if request.method == "POST":
        typed = _change(request, opened)
        if not typed:
            return redirect(f"{opened.url}details/")
    row = opened.row
    shown = opened.shown("details") | {
        "object_tags": tags_of(row),
        "facts": _facts(opened),
        "comment_input": typed.get("comment") or CommentInput(initial={"comment": row.comment}),
        "tags_input": typed.get("tags") or TagsInput(initial={"tags": pairs_text((t.key, t.value) for t in tags_of(row))}),
        "properties_input": typed.get("properties") or PropertiesInput(initial={"properties": pairs_text(row.properties)}),
        "owner_input": typed.get("owner") or OwnerInput(opened=opened),
        "may_comment": may_comment(opened),
        "may_tag": may_tag(opened),
        "may_set_properties": may_set_properties(opened),
        "may_delete": opened.can_manage and row.full_name != opened.caller.workspace.catalog.lower(),
        "show_call": code.show(settings.SITE_URL, row),
        "comment_call": code.set_comment(settings.SITE_URL, row, row.comment or "What it is for"),
        "tags_call": code.set_tags(settings.SITE_URL, row),
        "owner_call": code.set_owner(settings.SITE_URL, row, row.owner),
        "properties_call": code.set_properties(settings.SITE_URL, row) if opened.kind is TABLE else [],
    }
    return render(request, "sandbox/catalog/details.html", shown, status=422 if typed else 200)


def _change(request: PageRequest, opened: Opened) -> dict[str, forms.Form]:
    """Do what the form asks for; returns the form with its errors when it could not be done."""
    form = request.POST.get("form", "")
    allowed = {
        "comment": may_comment(opened),
        "tags": may_tag(opened),
        "properties": may_set_properties(opened),
        "owner": opened.can_manage,
    }
    if not allowed.get(form):
        raise PermissionDenied(f"You may not change this of {opened.row.full_name}. Its owner {opened.row.owner} can let you.")
    typed: forms.Form
    if form == "owner":
        typed = OwnerInput(request.POST, opened=opened)
    else:
        typed = {"comment": CommentInput, "tags": TagsInput, "properties": PropertiesInput}[form](request.POST)
    if not typed.is_valid():
        return {form: typed}
    value = typed.cleaned_data[form]
    try:
        if form == "comment":
            changes.set_comment(opened, value)
        elif form == "owner":
            changes.set_owner(opened, value)
        else:
            {"tags": changes.set_tags, "properties": changes.set_properties}[form](opened, dict(value))
    except ApiError as error:
        typed.add_error(form, error.message)
        return {form: typed}
    messages.success(request, f"{form.capitalize()} of {opened.row.name} saved.")
    return {}


def _facts(opened: Opened) -> list[tuple[str, str]]:
    row = opened.row
    found = [("Full name", row.full_name), ("Type", opened.kind.word), ("Owner", row.owner)]
    if opened.kind is TABLE:
        found.append(("Table type", row.table.table_type))
    found += [("Created by", row.created_by), ("Id", row.id)]
    return found


@securable_page("GET", "POST")
def securable_delete(request: PageRequest, opened: Opened) -> HttpResponse:
    """Ask for the name, then delete."""
    require_manage(opened)
    typed = DeleteInput(request.POST or None, wanted=opened.row.full_name)
    if request.method == "POST" and typed.is_valid():
        try:
            changes.delete(opened)
        except ApiError as error:
            typed.add_error("name", error.message)
        else:
            messages.success(request, f"{opened.kind.word} {opened.row.full_name} is deleted.")
            return redirect(_after(opened))
    inside = Securable.objects.filter(parent=opened.row).count() if opened.kind in {CATALOG, SCHEMA} else 0
    shown = opened.shown("details") | {
        "input": typed,
        "meaning": _meaning(opened),
        "inside": inside,
        "call": code.delete(settings.SITE_URL, opened.row),
    }
    return render(request, "sandbox/catalog/delete.html", shown, status=422 if typed.errors else 200)


def _after(opened: Opened) -> str:
    parent = opened.row.parent
    if parent is not None:
        return url_of(kind_of(parent), parent.full_name)
    return reverse("model_list") if opened.kind is MODEL else reverse("catalog")


_MEANINGS = {
    "catalogs": "All its schemas go with it, with their tables, files, functions and models.",
    "schemas": "Everything in it goes with it: tables with their rows, volumes with their files, functions and models.",
    "tables": "Its rows and all its versions go. Views that read it fail from then on.",
    "volumes": "All its files go.",
    "functions": "Queries and feature specs that call it fail from then on.",
    "models": "All its versions, aliases and files go. Endpoints that serve one go on with the copy that they loaded.",
}


def _meaning(opened: Opened) -> str:
    return _MEANINGS[opened.kind.slug]
