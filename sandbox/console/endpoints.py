"""The console's way to endpoints: the same operations as the REST API, for one person in one workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404
from rest_framework.exceptions import ValidationError

from sandbox.console.endpoint_pages import EndpointView, endpoint_view
from sandbox.errors import ApiError, InvalidParameterValue, ResourceDoesNotExist, rest_exception_handler
from sandbox.serving import access, operations
from sandbox.serving.access import CAN_VIEW
from sandbox.serving.inputs import ConfigInput, EndpointInput
from sandbox.serving.models import DeploymentEvent, Endpoint, PermissionLevel
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_config, read_endpoint
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

Json = dict[str, Any]


@dataclass(frozen=True)
class OpenEndpoint:
    """An endpoint that `caller` may at least view: its row and what pages show of it."""

    caller: Caller
    row: Endpoint
    view: EndpointView

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def answer(self) -> Json:
        """What GET answers to this person."""
        return detailed(self.row, self.caller.workspace, self.view.level)


def list_endpoints(caller: Caller) -> list[EndpointView]:
    """What the person may view, by name, the preconfigured endpoints among it."""
    found = operations.list_endpoints(caller.workspace)
    levels = access.levels_of(found, caller)
    return [_view(caller, row, levels[row.id]) for row in found if row.id in levels]


def find(caller: Caller, name: str, needs: PermissionLevel = CAN_VIEW) -> OpenEndpoint:
    """One endpoint; Http404 for one that the person may not know of, PermissionDenied when she has less than `needs`."""
    try:
        row = operations.get_endpoint(caller.workspace, name)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    level = access.level_of(row, caller)
    if level is None:
        raise Http404(f"Serving endpoint with name {name} not found.")
    try:
        access.require_level(row, caller, needs)
    except ApiError as error:
        raise PermissionDenied(error.message) from error
    return OpenEndpoint(caller, row, _view(caller, row, level))


def events(row: Endpoint) -> QuerySet[DeploymentEvent]:
    """What happened to the endpoint, newest first."""
    return operations.deployment_events(row).order_by("-at", "-id")


def create(caller: Caller, body: Json) -> None:
    """Create from the body that the REST API takes. Raises an ApiError whose message helps."""
    asked = checked_endpoint(body)
    access.check_endpoint(caller, asked)
    operations.create_endpoint(caller.workspace, person(caller.user), asked, caller.user)


def update_config(found: OpenEndpoint, config: Json) -> None:
    """Begin a config update from the body that the REST API takes. Raises an ApiError whose message helps."""
    asked = checked_config(config)
    access.check_config(found.caller, asked, found.row)
    operations.update_config(found.caller.workspace, found.name, asked)


def checked_endpoint(body: Json) -> EndpointInput:
    """Raises InvalidParameterValue with the sentence of the REST API."""
    try:
        return read_endpoint(body)
    except ValidationError as error:
        raise InvalidParameterValue(sentence(error)) from error


def checked_config(config: Json) -> ConfigInput:
    """Raises InvalidParameterValue with the sentence of the REST API."""
    try:
        return read_config(config)
    except ValidationError as error:
        raise InvalidParameterValue(sentence(error)) from error


def sentence(error: ValidationError) -> str:
    """What the REST API would answer."""
    answer = rest_exception_handler(error, {})
    assert answer is not None
    return str(answer.data["message"])


def _view(caller: Caller, row: Endpoint, level: PermissionLevel) -> EndpointView:
    ids = {(config.config_version, entity.name): entity.id for config in row.configs.all() for entity in config.entities.all()}
    is_shared = row.workspace_id != caller.workspace.id
    return endpoint_view(detailed(row, caller.workspace, level), ids, is_preconfigured=is_shared, sees_table=caller.is_admin)


# --- the split ---------------------------------------------------------------------------------

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


@dataclass(frozen=True)
class TrafficRow:
    """One served entity in the form that changes the split; `share` is what its field shows."""

    name: str
    share: str
    tone: int


def traffic_rows(endpoint: EndpointView, typed: Mapping[str, str] | None = None) -> list[TrafficRow]:
    """A row for each entity of the active config; none where the split cannot be changed here."""
    if endpoint.config is None or endpoint.kind != "custom" or not endpoint.can_manage:
        return []
    return [
        TrafficRow(entity.name, (typed or {}).get(SHARE_PREFIX + entity.name, str(entity.traffic_percentage)), entity.tone)
        for entity in endpoint.config.entities
    ]


def change_traffic(found: OpenEndpoint, typed: Mapping[str, str]) -> None:
    """Begin a config update with the same entities and the typed split. Raises an ApiError whose message helps."""
    config = found.answer.get("config")
    if config is None:
        raise InvalidParameterValue("This endpoint has no active config yet. Wait until it is ready, then change the split.")
    entities = config["served_entities"]
    routes = [
        {"served_entity_name": entity["name"], "traffic_percentage": typed.get(SHARE_PREFIX + entity["name"], "")}
        for entity in entities
    ]
    update_config(
        found,
        {
            "served_entities": [{name: entity[name] for name in _UPDATABLE if name in entity} for entity in entities],
            "traffic_config": {"routes": routes},
            "auto_capture_config": capture_config(config) or None,
        },
    )


def capture_config(config: Mapping[str, Any]) -> Json:
    """`auto_capture_config` as it was sent: without the state that the answer adds."""
    return {name: value for name, value in config.get("auto_capture_config", {}).items() if name != "state"}
