"""What a person does to a whole endpoint: change the split, stop, start, cancel, delete; each asks first where it hurts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from sandbox.console import endpoints, sdk_code
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.requests import PageRequest, endpoint_page
from sandbox.console.samples import Sample
from sandbox.console.views import overview
from sandbox.errors import ApiError
from sandbox.serving import lifecycle, operations
from sandbox.serving.access import CAN_MANAGE
from sandbox.workspaces.models import Workspace


@dataclass(frozen=True)
class Action:
    """One thing to do, what it means, and what is said afterwards (`{name}` is the endpoint's)."""

    key: str
    verb: str
    do: Callable[[Workspace, str], Any]
    meaning: str
    kept: str
    said: str
    rest: tuple[str, str]
    """Verb and path of the REST call, below the endpoint's own address."""
    is_dangerous: bool = False
    sdk_method: str = ""
    """Empty where the SDK has none."""


ACTIONS = {
    each.key: each
    for each in (
        Action(
            "stop",
            "Stop",
            lifecycle.stop_endpoint,
            "All replicas are given up, and nothing is charged. Requests are answered with 400 until it is started again.",
            "Kept: its config, permissions and tags, and the rows in its inference table.",
            "Endpoint {name} is stopped.",
            ("POST", "/config:stop"),
            is_dangerous=True,
        ),
        Action(
            "start",
            "Start",
            lifecycle.start_endpoint,
            "The config that was stopped rolls out again, under a new version. Requests are answered once it is ready.",
            "",
            "Endpoint {name} is starting. Follow it here.",
            ("POST", "/config:start"),
        ),
        Action(
            "cancel",
            "Cancel the update of",
            lifecycle.cancel_update,
            "The config that is rolling out is given up. The active one, if there is one, goes on answering.",
            "Kept: what was asked for stays visible as the cancelled config, so that you can edit it and try again.",
            "The update of {name} was cancelled.",
            ("POST", "/config:cancel"),
            is_dangerous=True,
        ),
        Action(
            "delete",
            "Delete",
            operations.delete_endpoint,
            "Requests to this endpoint are answered with 404 from then on. This cannot be undone.",
            "Kept: the rows in its inference table, and the model versions in your registry.",
            "Endpoint {name} was deleted. What it answered stays in its inference table.",
            ("DELETE", ""),
            is_dangerous=True,
            sdk_method="serving_endpoints.delete",
        ),
    )
}


@endpoint_page("GET", "POST", needs=CAN_MANAGE)
def endpoint_action(request: PageRequest, found: OpenEndpoint, action: str) -> HttpResponse:
    """Ask once, then do it; a refusal is shown on the same page."""
    if action not in ACTIONS:
        raise Http404(action)
    chosen, problem, status = ACTIONS[action], "", 200
    if request.method == "POST":
        try:
            chosen.do(found.caller.workspace, found.name)
        except ApiError as error:
            problem, status = error.message, 422
        else:
            messages.success(request, chosen.said.format(name=found.name))
            return redirect("serving_list") if action == "delete" else redirect("endpoint_detail", found.name)
    shown = {"endpoint": found.view, "action": chosen, "problem": problem, "call": _call(chosen, found.name)}
    return render(request, "sandbox/endpoint_action.html", shown, status=status)


@endpoint_page("POST", needs=CAN_MANAGE)
def endpoint_traffic(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """Change the split between the served entities: a config update like any other."""
    try:
        endpoints.change_traffic(found, request.POST)
    except ApiError as error:
        shown = {"problem": error.message, "traffic_form": endpoints.traffic_rows(found.view, request.POST.dict())}
        return render(request, "sandbox/endpoint_detail.html", overview(found) | shown, status=422)
    messages.success(request, "The new split is rolling out. The old one answers until it is ready.")
    return redirect("endpoint_detail", found.name)


def _call(action: Action, name: str) -> list[Sample]:
    verb, below = action.rest
    path = f"/api/2.0/serving-endpoints/{name}{below}"
    if action.sdk_method:
        return sdk_code.call(settings.SITE_URL, action.sdk_method, {"name": name}, verb, path)
    return sdk_code.do_call(settings.SITE_URL, verb, path)
