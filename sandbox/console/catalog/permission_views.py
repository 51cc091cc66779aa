"""The page that shows and changes who may do what on an object: a matrix, and what somebody is still missing."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sandbox.catalog import grants
from sandbox.console.catalog import code, permission_data
from sandbox.console.catalog.kinds import MODEL
from sandbox.console.catalog.opened import Opened, require_manage, securable_page
from sandbox.console.inputs import choose_from
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError
from sandbox.workspaces import members

Json = dict[str, Any]


class GrantInput(forms.Form):
    """Privileges for a person or a group of the workspace."""

    principal = forms.ChoiceField(label="Person or group", error_messages={"required": "Choose a person or a group."})
    privileges = forms.MultipleChoiceField(
        label="Privileges", widget=forms.CheckboxSelectMultiple, error_messages={"required": "Tick at least one privilege."}
    )

    def __init__(self, *args: Any, opened: Opened, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self.fields["principal"], [("", "Choose"), *permission_data.principals(opened.caller.workspace)])
        offered = [(each, f"{each.replace('_', ' ')}: {words}") for each, words in permission_data.grantable(opened)]
        choose_from(self.fields["privileges"], offered)


@securable_page("GET", "POST")
def securable_permissions(request: PageRequest, opened: Opened) -> HttpResponse:
    """The matrix; whoever manages the object grants and revokes with a POST."""
    typed, problem = GrantInput(opened=opened), ""
    if request.method == "POST":
        require_manage(opened)
        if request.POST.get("action") == "revoke":
            problem = _revoke(request, opened)
        else:
            typed = GrantInput(request.POST, opened=opened)
            problem = _grant(request, opened, typed)
        if not problem and not typed.errors:
            return redirect(f"{opened.url}permissions/")
    shown = opened.shown("permissions") | {
        "matrix": permission_data.matrix(opened),
        "input": typed,
        "problem": problem,
        "meanings": permission_data.grantable(opened),
        "in_workspace": opened.kind is MODEL and opened.row.parent is None,
        "call": code.grant(settings.SITE_URL, opened.row, members.USERS, _usual(opened)),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "sandbox/catalog/permissions.html", shown, status=status)


def _usual(opened: Opened) -> str:
    """The privilege that the example grants."""
    return opened.kind.needed[0] if opened.kind.needed else "SELECT"


def _grant(request: PageRequest, opened: Opened, typed: GrantInput) -> str:
    if not typed.is_valid():
        return ""
    principal, privileges = typed.cleaned_data["principal"], typed.cleaned_data["privileges"]
    try:
        grants.change(opened.caller, opened.row, {principal: privileges}, {})
    except ApiError as error:
        typed.add_error("principal", error.message)
        return ""
    messages.success(request, f"{principal}: {', '.join(each.replace('_', ' ') for each in privileges)} granted.")
    return ""


def _revoke(request: PageRequest, opened: Opened) -> str:
    principal, privilege = request.POST.get("principal", ""), request.POST.get("privilege", "")
    try:
        grants.change(opened.caller, opened.row, {}, {principal: [privilege]})
    except ApiError as error:
        return error.message
    messages.success(request, f"{principal}: {privilege.replace('_', ' ')} revoked.")
    return ""
