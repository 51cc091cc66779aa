"""The pages that create an endpoint and edit its config, and the live preview of the call that they send."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from redis.exceptions import RedisError

from sandbox.console import bodies, endpoints, examples, sdk_code
from sandbox.console.bodies import EndpointForms, Versions
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.model_choices import spec_choices, version_choices, with_asked, with_chosen
from sandbox.console.requests import PageRequest, caller_of, endpoint_page
from sandbox.console.samples import Sample
from sandbox.errors import ApiError, ResourceAlreadyExists
from sandbox.serving import nodes
from sandbox.serving.access import CAN_MANAGE
from sandbox.workspaces import secret_store
from sandbox.workspaces.members import Caller


@login_required
@require_http_methods(["GET", "POST"])
def endpoint_create(request: PageRequest) -> HttpResponse:
    """An empty page, the page with one row more or less, the page with its errors, or the new endpoint."""
    caller = caller_of(request)
    versions, registry_message = _versions(caller)
    versions = with_asked(versions, caller.workspace, request.GET.get("model", ""))
    if request.method == "GET":
        return _show(request, caller, bodies.new_forms(request.GET, versions), registry_message)
    if "change" in request.POST:
        changed = bodies.with_rows_changed(request.POST, request.POST["change"])
        return _show(request, caller, bodies.unchecked_forms(changed, versions), registry_message)
    typed = bodies.bound_forms(request.POST, versions)
    problem = _sent(typed, lambda: endpoints.create(caller, typed.body()))
    if problem is None:
        name = typed.body()["name"]
        messages.success(request, f"Endpoint {name} is being created. Follow it here.")
        return redirect("endpoint_detail", name)
    return _show(request, caller, typed, registry_message, problem=problem, status=422)


@endpoint_page("GET", "POST", needs=CAN_MANAGE)
def endpoint_edit(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """The config as it is, to be changed; sending it begins a config update."""
    caller = found.caller
    answer = found.answer
    config = answer.get("config") or answer.get("pending_config") or {}
    chosen = [(e.get("entity_name", ""), e.get("entity_version", "")) for e in config.get("served_entities", ())]
    versions, registry_message = _versions(caller)
    versions = with_chosen(versions, chosen)
    if not found.view.can_edit:
        return redirect("endpoint_detail", found.name)
    if request.method == "GET":
        typed = bodies.edit_forms(found.view.kind, found.view.task, config, endpoints.capture_config(config), versions)
        return _show(request, caller, typed, registry_message, found)
    if "change" in request.POST:
        changed = bodies.with_rows_changed(request.POST, request.POST["change"])
        return _show(request, caller, bodies.unchecked_forms(changed, versions, edits=found.view.kind), registry_message, found)
    typed = bodies.bound_forms(request.POST, versions, edits=found.view.kind)
    problem = _sent(typed, lambda: endpoints.update_config(found, typed.config()))
    if problem is None:
        messages.success(request, "The new config is rolling out. The active one answers until it is ready.")
        return redirect("endpoint_detail", found.name)
    return _show(request, caller, typed, registry_message, found, problem=problem, status=422)


@login_required
@require_POST
def call_preview(request: PageRequest) -> HttpResponse:
    """The call that the form would send as it stands, right or wrong; a key that was typed is left out."""
    updates = request.POST.get("updates", "")
    versions, _ = _versions(caller_of(request))
    edits = "external" if request.POST.get("kind") == "external" else "custom"
    typed = bodies.bound_forms(request.POST, versions, edits=edits if updates else "")
    typed.is_valid()
    return render(request, "sandbox/_call_preview.html", {"call": _call(typed, updates)})


def _call(typed: EndpointForms, updates: str) -> list[Sample]:
    if updates:
        return sdk_code.update_call(settings.SITE_URL, updates, typed.config(show_key=False))
    return sdk_code.create_call(settings.SITE_URL, typed.body(show_key=False))


def _sent(typed: EndpointForms, send: Any) -> str | None:
    """What is wrong, empty when the fields say it themselves; None when it was sent."""
    if not typed.is_valid():
        return ""
    try:
        send()
    except ApiError as error:
        return "" if _place(typed, error) else error.message
    return None


def _place(typed: EndpointForms, error: ApiError) -> bool:
    """Put the refusal beside the field that it is about; False when it is about none."""
    form, field = _field_of(typed, error)
    if form is None:
        return False
    form.add_error(field, error.message)
    return True


def _field_of(typed: EndpointForms, error: ApiError) -> tuple[forms.Form | None, str]:
    message = error.message
    if typed.endpoint is not None:
        if isinstance(error, ResourceAlreadyExists):
            return typed.endpoint, "name"
        if named := re.match(r"(tags|description|name)\b", message):
            return typed.endpoint, named[1]
    if field := re.search(r"auto_capture_config\.(catalog_name|schema_name|table_name_prefix)", message):
        return typed.capture, field[1]
    if typed.is_external:
        return _external_field_of(typed, message)
    for form in typed.entities.forms:
        model, version = form.model_and_version
        if model and f"'{model}' version {version}" in message:
            return form, "model"
        if (variable := re.match(r"environment_vars\.(\w+)", message)) and variable[1] in dict(form.value_of("environment_vars")):
            return form, "environment_vars"
    return None, ""


def _external_field_of(typed: EndpointForms, message: str) -> tuple[forms.Form | None, str]:
    for model in typed.external.forms:
        if (secret := model.value_of("api_key")) and secret in message:
            return model, "api_key"
        if (named := re.search(r"openai_config\.(\w+)", message)) and model.fields.get(named[1]) and model.value_of(named[1]):
            return model, named[1]
    return None, ""


def _versions(caller: Caller) -> tuple[Versions, str]:
    models, registry_message = examples.registered_models(caller.workspace)
    return [*version_choices(models), *spec_choices(caller)], registry_message


def _show(
    request: PageRequest,
    caller: Caller,
    typed: EndpointForms,
    registry_message: str,
    found: OpenEndpoint | None = None,
    problem: str | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = {
        "typed": typed,
        "endpoint": found.view if found else None,
        "registry_message": registry_message,
        "problem": problem,
        "call": _call(typed, found.name if found else ""),
        "secrets": _secret_references(caller),
        "gpu_note": gpu_note(),
    }
    return render(request, "sandbox/endpoint_form.html", shown, status=status)


def _secret_references(caller: Caller) -> list[str]:
    """What may stand as a variable's value; secrets are for the workspace's admins."""
    if not caller.is_admin:
        return []
    scopes = secret_store.list_scopes(caller.workspace).prefetch_related("secrets")
    return [secret_store.reference(scope.name, secret.key) for scope in scopes for secret in scope.secrets.all()]


def gpu_note() -> str:
    """What a GPU type means on this site now."""
    try:
        has_cuda = nodes.has_cuda(nodes.living_nodes())
    except RedisError:
        return "GPU types run on a CUDA device where a node has one, else on the CPU."
    if has_cuda:
        return "A node of this site has a CUDA device: GPU types use it."
    return "No node of this site has a CUDA device: GPU types are emulated. They run on the CPU and say so."
