"""The page that creates an endpoint: from form fields to the body that the REST API takes."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from sandbox.console import endpoints, examples
from sandbox.console.inputs import EndpointInput, ExternalModelInput, ServedEntitiesInput, ServedEntityInput, ServedEntitySet
from sandbox.console.model_choices import version_choices
from sandbox.errors import ApiError
from sandbox.serving.entity_rules import default_name
from sandbox.workspaces.sessions import user_of, workspace_of

PREFIX = "entities"


@login_required
@require_http_methods(["GET", "POST"])
def endpoint_create(request: HttpRequest) -> HttpResponse:
    """An empty page, the page with one row more or less, the page with its errors, or the new endpoint."""
    models, registry_message = examples.registered_models(workspace_of(request))
    versions = version_choices(models)
    if request.method == "GET":
        return _show(request, _empty(request.GET, versions), versions, registry_message)
    if "change" in request.POST:
        changed = _with_rows_changed(request.POST, request.POST["change"])
        return _show(request, _unchecked(changed, versions), versions, registry_message)
    forms = _bound(request.POST, versions)
    problem = _create(request, forms)
    if problem is None:
        messages.success(request, f"Endpoint {forms.endpoint.cleaned_data['name']} is being created. Follow it here.")
        return redirect("endpoint_detail", forms.endpoint.cleaned_data["name"])
    return _show(request, forms, versions, registry_message, problem, status=422)


class _Forms:
    """The three parts of the page."""

    def __init__(self, endpoint: EndpointInput, entities: ServedEntitySet, external: ExternalModelInput) -> None:
        self.endpoint, self.entities, self.external = endpoint, entities, external

    @property
    def is_external(self) -> bool:
        return bool(self.endpoint["kind"].value() == "external")

    def is_valid(self) -> bool:
        """Only the part that belongs to the chosen kind counts; both are checked so that all errors show at once."""
        part = self.external if self.is_external else self.entities
        return all([self.endpoint.is_valid(), part.is_valid()])

    def body(self) -> dict[str, Any]:
        """The create body. Call after `is_valid`."""
        config = external_config(self.external.cleaned_data) if self.is_external else custom_config(self.entities)
        return {"name": self.endpoint.cleaned_data["name"], "config": config}


def _empty(query: Mapping[str, Any], versions: list[tuple[str, Any]]) -> _Forms:
    kind = "external" if query.get("kind") == "external" else "custom"
    first = {"model": query.get("model", ""), "workload_size": "Small", "traffic_percentage": 100, "scale_to_zero_enabled": True}
    return _Forms(
        EndpointInput(initial={"kind": kind}),
        ServedEntitiesInput(initial=[first], prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalModelInput(prefix="external"),
    )


def _bound(data: QueryDict, versions: list[tuple[str, Any]]) -> _Forms:
    return _Forms(
        EndpointInput(data),
        ServedEntitiesInput(data, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalModelInput(data, prefix="external"),
    )


def _unchecked(data: QueryDict, versions: list[tuple[str, Any]]) -> _Forms:
    """What was typed so far, without complaints about what was not typed yet."""
    typed = _bound(data, versions)
    rows = [{name: form[name].value() for name in form.fields} for form in typed.entities.forms]
    return _Forms(
        EndpointInput(initial={name: data.get(name) for name in ("name", "kind")}),
        ServedEntitiesInput(initial=rows, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalModelInput(
            prefix="external", initial={name: data.get(f"external-{name}") for name in ExternalModelInput.base_fields}
        ),
    )


def _with_rows_changed(data: QueryDict, change: str) -> QueryDict:
    """The same form with one row more (`add`) or without one (`remove:<position>`); a new row starts with no traffic."""
    changed = data.copy()
    count = _row_count(data)
    action, _, position = change.partition(":")
    if action == "add" and count < ServedEntitiesInput.max_num:
        changed[f"{PREFIX}-TOTAL_FORMS"] = str(count + 1)
        changed[f"{PREFIX}-{count}-traffic_percentage"] = "0"
        changed[f"{PREFIX}-{count}-workload_size"] = "Small"
        changed[f"{PREFIX}-{count}-scale_to_zero_enabled"] = "on"
    if action == "remove" and position.isdecimal() and int(position) < count and count > 1:
        _remove_row(changed, int(position), count)
    return changed


def _row_count(data: QueryDict) -> int:
    given = data.get(f"{PREFIX}-TOTAL_FORMS", "1")
    return min(int(given), ServedEntitiesInput.max_num) if str(given).isdecimal() else 1


def _remove_row(data: QueryDict, position: int, count: int) -> None:
    for row in range(position, count):
        for name in ServedEntityInput.base_fields:
            following = data.get(f"{PREFIX}-{row + 1}-{name}")
            data.pop(f"{PREFIX}-{row}-{name}", None)
            if following is not None and row + 1 < count:
                data[f"{PREFIX}-{row}-{name}"] = following
    data[f"{PREFIX}-TOTAL_FORMS"] = str(count - 1)


def custom_config(entities: ServedEntitySet) -> dict[str, Any]:
    """`config` of custom models: entities with the names that their routes use."""
    served, routes = [], []
    for form in entities.forms:
        model, version = form.model_and_version
        name = form.cleaned_data["name"] or default_name(model, version)
        served.append(
            {
                "name": name,
                "entity_name": model,
                "entity_version": version,
                "workload_size": form.cleaned_data["workload_size"],
                "scale_to_zero_enabled": form.cleaned_data["scale_to_zero_enabled"],
            }
        )
        routes.append({"served_entity_name": name, "traffic_percentage": form.cleaned_data["traffic_percentage"]})
    return {"served_entities": served, "traffic_config": {"routes": routes}}


def external_config(typed: dict[str, Any]) -> dict[str, Any]:
    """`config` of one external model with provider openai."""
    key = {"openai_api_key": typed["api_key"]} if typed["api_key"] else {"openai_api_key_plaintext": typed["api_key_plaintext"]}
    external = {"provider": "openai", "name": typed["model"], "task": typed["task"], "openai_config": key}
    entity: dict[str, Any] = {"external_model": external}
    if typed["served_name"]:
        entity["name"] = typed["served_name"]
    return {"served_entities": [entity]}


def _create(request: HttpRequest, forms: _Forms) -> str | None:
    """What is wrong, empty when the fields say it themselves; None when the endpoint is being created."""
    if not forms.is_valid():
        return ""
    try:
        endpoints.create(workspace_of(request), user_of(request), forms.body())
    except ApiError as error:
        return error.message
    return None


def _show(
    request: HttpRequest,
    forms: _Forms,
    versions: list[tuple[str, Any]],
    registry_message: str,
    problem: str | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = {
        "endpoint": forms.endpoint,
        "entities": forms.entities,
        "external": forms.external,
        "versions": versions,
        "registry_message": registry_message,
        "problem": problem,
    }
    return render(request, "sandbox/endpoint_form.html", shown, status=status)
