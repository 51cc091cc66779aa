"""The page of a served entity's two logs: how its model was built, and what its replicas did and printed."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render

from sandbox.console import sdk_code
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.requests import PageRequest, endpoint_page
from sandbox.errors import ResourceDoesNotExist
from sandbox.serving.logs import build_log, service_log
from sandbox.serving.models import ServedEntity
from sandbox.serving.operations import served_entity

SHOWN_CHARACTERS = 60_000
"""The end of each log; the file has all that is kept."""
LOGS = {"build": build_log, "service": service_log}


@dataclass(frozen=True)
class LogText:
    """The end of a log for the page."""

    text: str
    lines: int
    is_cut: bool

    @classmethod
    def of(cls, whole: str) -> "LogText":
        is_cut = len(whole) > SHOWN_CHARACTERS
        shown = whole[-SHOWN_CHARACTERS:].partition("\n")[2] if is_cut else whole
        return cls(shown, whole.count("\n"), is_cut)


@endpoint_page("GET")
def endpoint_logs(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """Both logs of one served entity; the live part alone for htmx."""
    choices = _choices(found)
    shown: dict[str, Any] = {"endpoint": found.view, "tab": "logs", "choices": choices}
    if choices:
        version, name = _chosen(request, choices)
        entity = _entity(found, name, version)
        path = f"/api/2.0/serving-endpoints/{found.name}/served-models/{name}/logs"
        arguments = {"name": found.name, "served_model_name": name}
        shown |= {
            "config_version": version,
            "served_name": name,
            "entity": next(row for config, row in _rows(found) if (config, row.name) == (version, name)),
            "service": LogText.of(service_log(entity)),
            "build": LogText.of(build_log(entity)),
            "call": sdk_code.call(settings.SITE_URL, "serving_endpoints.logs", arguments, "GET", path),
        }
    return render(request, "sandbox/_logs.html" if request.htmx else "sandbox/endpoint_logs.html", shown)


@endpoint_page("GET")
def endpoint_log_file(request: PageRequest, found: OpenEndpoint, log: str) -> HttpResponse:
    """One log, whole, as text."""
    choices = _choices(found)
    if log not in LOGS or not choices:
        raise Http404(log)
    version, name = _chosen(request, choices)
    response = HttpResponse(LOGS[log](_entity(found, name, version)), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.name}-{name}-{log}.log"'
    return response


def _rows(found: OpenEndpoint) -> list[tuple[int, Any]]:
    """Config version and entity of everything that is built or runs here; a preconfigured endpoint shows none."""
    view = found.view
    if view.is_preconfigured:
        return []
    configs = [config for config in (view.pending, view.config) if config is not None]
    return [(config.version, entity) for config in configs for entity in config.entities]


def _choices(found: OpenEndpoint) -> list[tuple[int, str]]:
    return [(version, entity.name) for version, entity in _rows(found)]


def _chosen(request: PageRequest, choices: list[tuple[int, str]]) -> tuple[int, str]:
    """What the address names, else the first. Raises Http404 for what is not there."""
    name, version = request.GET.get("entity", ""), request.GET.get("config", "")
    if not name:
        return choices[0]
    found = next((each for each in choices if each[1] == name and version in {"", str(each[0])}), None)
    if found is None:
        raise Http404(f"There is no served entity {name} in config {version}.")
    return found


def _entity(found: OpenEndpoint, name: str, version: int) -> ServedEntity:
    try:
        return served_entity(found.caller.workspace, found.name, name, version)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
