"""The console's way to endpoints: the same operations as the REST API, everything scoped to one workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.exceptions import ValidationError

from sandbox.console.endpoint_pages import EndpointView, endpoint_view
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist, rest_exception_handler
from sandbox.serving import operations
from sandbox.serving.inputs import ConfigInput, EndpointInput
from sandbox.serving.models import DeploymentEvent, Endpoint
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_config, read_endpoint
from sandbox.workspaces.models import User, Workspace
from sandbox.workspaces.operations import person

SHARE_PREFIX = "share:"
_UPDATABLE = (
    "name",
    "entity_name",
    "entity_version",
    "workload_size",
    "workload_type",
    "scale_to_zero_enabled",
    "min_provisioned_concurrency",
    "max_provisioned_concurrency",
    "environment_vars",
    "instance_profile_arn",
)
"""What of a served entity's answer is sent back when only the split changes."""


def list_endpoints(workspace: Workspace) -> list[EndpointView]:
    """The workspace's own endpoints and the preconfigured ones, by name."""
    return [endpoint_view(detailed(endpoint, workspace)) for endpoint in operations.list_endpoints(workspace)]


def find(workspace: Workspace, name: str) -> EndpointView:
    """One endpoint that this workspace sees; raises Http404 for any other."""
    return endpoint_view(detailed(_row(workspace, name), workspace))


def events(workspace: Workspace, name: str) -> QuerySet[DeploymentEvent]:
    """What happened to the endpoint, newest first."""
    return operations.deployment_events(_row(workspace, name)).order_by("-at", "-id")


def create(workspace: Workspace, user: User, body: dict[str, Any]) -> None:
    """Create from the body that the REST API takes. Raises an ApiError whose message helps."""
    operations.create_endpoint(workspace, person(user), _read_endpoint(body))


def delete(workspace: Workspace, name: str) -> None:
    """Raises Http404 or PermissionDenied."""
    try:
        operations.delete_endpoint(workspace, name)
    except ResourceDoesNotExist as error:
        raise Http404 from error


def _row(workspace: Workspace, name: str) -> Endpoint:
    try:
        return operations.get_endpoint(workspace, name)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error


def _read_endpoint(body: dict[str, Any]) -> EndpointInput:
    try:
        return read_endpoint(body)
    except ValidationError as error:
        raise InvalidParameterValue(_sentence(error)) from error


def _read_config(body: dict[str, Any]) -> ConfigInput:
    try:
        return read_config(body)
    except ValidationError as error:
        raise InvalidParameterValue(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    """What the REST API would answer."""
    answer = rest_exception_handler(error, {})
    assert answer is not None
    return str(answer.data["message"])


# --- the split ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrafficRow:
    """One served entity in the form that changes the split; `share` is what its field shows."""

    name: str
    share: str
    tone: int


def traffic_rows(endpoint: EndpointView, typed: Mapping[str, str] | None = None) -> list[TrafficRow]:
    """A row for each entity of the active config; none where the split cannot be changed here."""
    if endpoint.config is None or endpoint.kind != "custom" or not endpoint.is_mine:
        return []
    return [
        TrafficRow(entity.name, (typed or {}).get(SHARE_PREFIX + entity.name, str(entity.traffic_percentage)), entity.tone)
        for entity in endpoint.config.entities
    ]


def change_traffic(workspace: Workspace, endpoint: EndpointView, typed: Mapping[str, str]) -> None:
    """Begin a config update with the same entities and the typed split. Raises an ApiError whose message helps."""
    config = detailed(_row(workspace, endpoint.name), workspace).get("config")
    if config is None:
        raise InvalidParameterValue("This endpoint has no active config yet. Wait until it is ready, then change the split.")
    entities = config["served_entities"]
    routes = [
        {"served_entity_name": entity["name"], "traffic_percentage": typed.get(SHARE_PREFIX + entity["name"], "")}
        for entity in entities
    ]
    body = {
        "served_entities": [{name: entity[name] for name in _UPDATABLE if name in entity} for entity in entities],
        "traffic_config": {"routes": routes},
        "auto_capture_config": {k: v for k, v in config.get("auto_capture_config", {}).items() if k != "state"} or None,
    }
    operations.update_config(workspace, endpoint.name, _read_config(body))
