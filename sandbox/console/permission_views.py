"""The page that shows and changes who may view, query and manage an endpoint."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sandbox.console import sdk_code
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.requests import PageRequest, endpoint_page
from sandbox.console.samples import Sample
from sandbox.errors import ApiError
from sandbox.serving import access, permissions
from sandbox.serving.access import CAN_VIEW
from sandbox.serving.models import PermissionLevel
from sandbox.workspaces import members
from sandbox.workspaces.operations import person

Json = dict[str, Any]
LEVELS = [
    (PermissionLevel.CAN_VIEW.value, "Can view"),
    (PermissionLevel.CAN_QUERY.value, "Can query"),
    (PermissionLevel.CAN_MANAGE.value, "Can manage"),
]
MEANINGS = {
    "CAN_VIEW": "sees the endpoint, its config, events, metrics and logs",
    "CAN_QUERY": "may also send requests to it",
    "CAN_MANAGE": "may also change it, delete it, and give permissions",
}
KINDS = {"user_name": "Person", "group_name": "Group"}


@dataclass(frozen=True)
class Entry:
    """One line of the access control list."""

    kind: str
    """`user_name` or `group_name`."""
    name: str
    display_name: str
    level: str
    is_inherited: bool

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def kind_word(self) -> str:
        return KINDS[self.kind]

    @property
    def asked(self) -> Json:
        """As the REST API takes it."""
        return {self.kind: self.name, "permission_level": self.level}


class GrantInput(forms.Form):
    """A level for a person or group of the workspace."""

    principal = forms.ChoiceField(label="Person or group", error_messages={"required": "Choose a person or a group."})
    permission_level = forms.ChoiceField(label="Permission", choices=LEVELS, initial="CAN_QUERY")

    def __init__(self, *args: Any, principals: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["principal"].choices = [("", "Choose"), *principals]  # type: ignore[attr-defined]


class MemberInput(forms.Form):
    """Somebody with an account on this site."""

    member = forms.CharField(
        label="User name or e-mail address",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


@endpoint_page("GET", "POST", needs=CAN_VIEW)
def endpoint_permissions(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """The list; whoever manages the endpoint adds, changes and removes with a POST."""
    forms_typed: dict[str, forms.Form] = {}
    problem, status = "", 200
    if request.method == "POST":
        if not found.view.can_manage:
            raise PermissionDenied(f"User does not have permission 'Manage' on Endpoint {found.name}.")
        problem, forms_typed = _change(request, found)
        if not problem and not forms_typed:
            still = access.level_of(found.row, found.caller) is not None
            return redirect("endpoint_permissions", found.name) if still else redirect("serving_list")
        status = 422
    return _show(request, found, problem, forms_typed, status)


def _change(request: PageRequest, found: OpenEndpoint) -> tuple[str, dict[str, forms.Form]]:
    """Do what was asked; returns what is wrong, and the form that says so itself."""
    actions = {"give": _give, "change": _level, "remove": _remove, "join": _join}
    try:
        return actions.get(request.POST.get("action", ""), _nothing)(request, found)
    except ApiError as error:
        return error.message, {}


Changed = tuple[str, dict[str, forms.Form]]


def _give(request: PageRequest, found: OpenEndpoint) -> Changed:
    typed = GrantInput(request.POST, principals=_principals(found, _entries(found)))
    if not typed.is_valid():
        return "", {"grant": typed}
    kind, _, name = typed.cleaned_data["principal"].partition(":")
    level = typed.cleaned_data["permission_level"]
    permissions.update_list(found.caller, found.row.id, [{kind: name, "permission_level": level}])
    messages.success(request, f"{name}: {dict(LEVELS)[level].lower()}.")
    return "", {}


def _level(request: PageRequest, found: OpenEndpoint) -> Changed:
    entry = _named(request, found)
    level = request.POST.get("permission_level", "")
    if entry is None or level not in dict(LEVELS):
        return "That permission is not there any more. This is the list as it is now.", {}
    permissions.update_list(found.caller, found.row.id, [{entry.kind: entry.name, "permission_level": level}])
    messages.success(request, f"{entry.name}: {dict(LEVELS)[level].lower()}.")
    return "", {}


def _remove(request: PageRequest, found: OpenEndpoint) -> Changed:
    """There is no operation that removes one entry: the list without it replaces the list."""
    entry = _named(request, found)
    if entry is None:
        return "That permission is not there any more. This is the list as it is now.", {}
    left = [each.asked for each in _entries(found) if each != entry and not each.is_inherited]
    permissions.replace_list(found.caller, found.row.id, left)
    messages.success(request, f"{entry.name} has no permission of its own any more.")
    return "", {}


def _join(request: PageRequest, found: OpenEndpoint) -> Changed:
    """Let somebody into the workspace, so that a permission can be given."""
    if not found.caller.is_admin:
        raise PermissionDenied("Only admins of this workspace let people in.")
    typed = MemberInput(request.POST)
    if not typed.is_valid():
        return "", {"join": typed}
    try:
        user = members.add_member(found.caller.workspace, typed.cleaned_data["member"])
    except ApiError as error:
        typed.add_error("member", error.message)
        return "", {"join": typed}
    messages.success(request, f"{person(user)} belongs to this workspace now. Give a permission next.")
    return "", {}


def _nothing(request: PageRequest, found: OpenEndpoint) -> Changed:
    return "Nothing was asked for.", {}


def _show(request: PageRequest, found: OpenEndpoint, problem: str, typed: dict[str, forms.Form], status: int) -> HttpResponse:
    entries = _entries(found)
    shown = {
        "endpoint": found.view,
        "tab": "permissions",
        "entries": entries,
        "levels": LEVELS,
        "meanings": [(words, MEANINGS[level]) for level, words in LEVELS],
        "problem": problem,
        "grant": typed.get("grant") or GrantInput(principals=_principals(found, entries)),
        "join": typed.get("join") or MemberInput(),
        "is_admin": found.caller.is_admin,
        "me": person(found.caller.user),
        "call": _call(found),
    }
    return render(request, "sandbox/endpoint_permissions.html", shown, status=status)


def _entries(found: OpenEndpoint) -> list[Entry]:
    listed = permissions.read_list(found.caller, found.row.id)["access_control_list"]
    return [_entry(raw) for raw in listed]


def _entry(raw: Json) -> Entry:
    kind = "user_name" if "user_name" in raw else "group_name"
    given = raw["all_permissions"][0]
    return Entry(kind, raw[kind], raw.get("display_name") or raw[kind], given["permission_level"], given["inherited"])


def _named(request: PageRequest, found: OpenEndpoint) -> Entry | None:
    """The entry that can be changed and that the form names."""
    wanted = request.POST.get("entry", "")
    return next((each for each in _entries(found) if each.key == wanted and not each.is_inherited), None)


def _principals(found: OpenEndpoint, entries: list[Entry]) -> list[tuple[str, Any]]:
    """People and groups of the workspace that are not in the list yet."""
    there = {entry.key for entry in entries}
    workspace = found.caller.workspace
    people = [(f"user_name:{person(user)}", person(user)) for user in members.people(workspace)]
    names = [members.USERS, *(group.name for group in members.groups(workspace))]
    groups = [(f"group_name:{name}", f"{name} (everybody here)" if name == members.USERS else name) for name in names]
    offered = [
        ("People", [each for each in people if each[0] not in there]),
        ("Groups", [g for g in groups if g[0] not in there]),
    ]
    return [(label, choices) for label, choices in offered if choices]


def _call(found: OpenEndpoint) -> list[Sample]:
    asked = [{"user_name": "somebody@example.org", "permission_level": "CAN_QUERY"}]
    return sdk_code.call(
        settings.SITE_URL,
        "serving_endpoints.update_permissions",
        {"serving_endpoint_id": found.row.id, "access_control_list": asked},
        "PATCH",
        f"/api/2.0/permissions/serving-endpoints/{found.row.id}",
        {"access_control_list": asked},
    )
