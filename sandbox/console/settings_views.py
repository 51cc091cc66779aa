"""The page of what can be changed without a config update: tags, notifications, rate limits; and the workspace's clock."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from rest_framework.exceptions import ValidationError

from sandbox.console import limit_inputs, sdk_code
from sandbox.console.catalog.kinds import TABLE, url_of
from sandbox.console.endpoints import OpenEndpoint, sentence
from sandbox.console.pairs import PairsField, pairs_text
from sandbox.console.requests import PageRequest, caller_of, endpoint_page
from sandbox.console.samples import Sample
from sandbox.console.views import CLOCK_FACTORS
from sandbox.errors import ApiError
from sandbox.serving import attributes, telemetry
from sandbox.serving.access import CAN_MANAGE
from sandbox.serving.fields import checked
from sandbox.serving.serializers import NotificationsBody, TagsBody, read_tags
from sandbox.workspaces import clock

Json = dict[str, Any]
OCCASIONS = (("on_update_success", "When an update succeeds"), ("on_update_failure", "When an update fails"))


class TagsInput(forms.Form):
    """All tags of the endpoint."""

    tags = PairsField(label="Tags", value_needed=False, rows=4)


class NotificationsInput(forms.Form):
    """Addresses, one on each line."""

    on_update_success = forms.CharField(
        label=OCCASIONS[0][1], required=False, max_length=6000, widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})
    )
    on_update_failure = forms.CharField(
        label=OCCASIONS[1][1], required=False, max_length=6000, widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})
    )

    def body(self) -> Json:
        """`email_notifications`."""
        return {name: self.cleaned_data[name].replace(",", " ").split() for name, _ in OCCASIONS}


@endpoint_page("GET", "POST", needs=CAN_MANAGE)
def endpoint_settings(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """Three forms, each with its own button; what is wrong stands at its field."""
    typed: dict[str, forms.Form] = {}
    if request.method == "POST":
        which = request.POST.get("form", "")
        form = CHANGES.get(which, _change_notifications)(request, found)
        if form is None:
            return redirect("endpoint_settings", found.name)
        typed[which] = form
    shown = {
        "endpoint": found.view,
        "tab": "settings",
        "tags_input": typed.get("tags") or TagsInput(initial={"tags": pairs_text(_pairs(found))}),
        "notifications": typed.get("notifications") or NotificationsInput(initial=_addresses(found)),
        "limits": typed.get("limits") or limit_inputs.limits_input(found),
        "custom_limits": limit_inputs.custom_limits(found),
        "telemetry_tables": [
            {"name": name, "url": url_of(TABLE, name)} for name in telemetry.tables(found.row.telemetry_config).values()
        ],
        "limits_call": limit_inputs.limits_call(found),
        "tags_call": _tags_call(found),
        "notifications_call": _notifications_call(found),
    }
    return render(request, "sandbox/endpoint_settings.html", shown, status=422 if typed else 200)


@login_required
@require_POST
def workspace_clock(request: PageRequest) -> HttpResponse:
    """Let the workspace's clock run faster or slower; for its admins."""
    caller = caller_of(request)
    if not caller.is_admin:
        raise PermissionDenied(f"The clock belongs to the workspace {caller.workspace.name}. Ask one of its admins.")
    wanted = request.POST.get("factor", "")
    if wanted in {str(factor) for factor in CLOCK_FACTORS}:
        clock.set_factor(caller.workspace, float(wanted))
        speed = "like a real one" if wanted == "1" else f"{wanted} times as fast"
        messages.success(request, f"The workspace's clock runs {speed} from now on.")
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    return redirect(back if is_ours else "serving_list")


def _change_tags(request: PageRequest, found: OpenEndpoint) -> TagsInput | None:
    """None when it was done."""
    form = TagsInput(request.POST)
    if not form.is_valid():
        return form
    wanted = dict(form.cleaned_data["tags"])
    before = dict(_pairs(found))
    add = [{"key": key, "value": value} for key, value in wanted.items() if before.get(key) != value]
    delete = [key for key in before if key not in wanted]
    try:
        body = checked(TagsBody, {"add_tags": add, "delete_tags": delete})
        attributes.patch_tags(found.caller.workspace, found.name, read_tags(body.get("add_tags", ())), delete)
    except (ApiError, ValidationError) as error:
        form.add_error("tags", _words(error))
        return form
    messages.success(request, "The tags are saved.")
    return None


def _change_notifications(request: PageRequest, found: OpenEndpoint) -> NotificationsInput | None:
    """None when it was done."""
    form = NotificationsInput(request.POST)
    if not form.is_valid():
        return form
    try:
        asked = checked(NotificationsBody, {"email_notifications": form.body()})["email_notifications"]
        attributes.patch_notifications(found.caller.workspace, found.name, asked)
    except (ApiError, ValidationError) as error:
        words = _words(error)
        form.add_error("on_update_failure" if "on_update_failure" in words else "on_update_success", words)
        return form
    messages.success(request, "The addresses are saved.")
    return None


def _change_limits(request: PageRequest, found: OpenEndpoint) -> limit_inputs.LimitsInput | None:
    """None when it was done."""
    form = limit_inputs.limits_input(found, request.POST)
    if not form.is_valid():
        return form
    try:
        limit_inputs.save_limits(found, form)
    except ApiError as error:
        form.add_error("endpoint_calls", error.message)
        return form
    messages.success(request, "The limits are saved. They hold from the next call on.")
    return None


CHANGES: dict[str, Callable[[PageRequest, OpenEndpoint], forms.Form | None]] = {
    "tags": _change_tags,
    "limits": _change_limits,
}
"""What the hidden field `form` says -> what is changed; None from it means that it was done."""


def _words(error: ApiError | ValidationError) -> str:
    return error.message if isinstance(error, ApiError) else sentence(error)


def _pairs(found: OpenEndpoint) -> list[tuple[str, str]]:
    return [(tag["key"], tag.get("value", "")) for tag in found.view.tags]


def _addresses(found: OpenEndpoint) -> Json:
    return {name: "\n".join(found.view.email_notifications.get(name, ())) for name, _ in OCCASIONS}


def _tags_call(found: OpenEndpoint) -> list[Sample]:
    tags = [dict(tag) for tag in found.view.tags] or [{"key": "team", "value": "growth"}]
    path = f"/api/2.0/serving-endpoints/{found.name}/tags"
    return sdk_code.call(
        settings.SITE_URL, "serving_endpoints.patch", {"name": found.name, "add_tags": tags}, "PATCH", path, {"add_tags": tags}
    )


def _notifications_call(found: OpenEndpoint) -> list[Sample]:
    asked = {name: list(found.view.email_notifications.get(name, ())) for name, _ in OCCASIONS}
    body = {"email_notifications": {name: given or ["somebody@example.org"] for name, given in asked.items()}}
    path = f"/api/2.0/serving-endpoints/{found.name}/notifications"
    return sdk_code.call(
        settings.SITE_URL, "serving_endpoints.update_notifications", {"name": found.name, **body}, "PATCH", path, body
    )
