"""Endpoints as the REST API shows them [sdk: ServingEndpointDetailed, ServingEndpoint]; every time is milliseconds."""

from typing import Any

from django.conf import settings

from sandbox.serving import telemetry
from sandbox.serving.models import Deployment, Endpoint, EndpointConfig, EndpointKind, ServedEntity
from sandbox.workspaces.clock import epoch_ms
from sandbox.workspaces.models import Workspace

Json = dict[str, Any]


def detailed(endpoint: Endpoint, viewer: Workspace, permission_level: str = "") -> Json:
    """One endpoint in full. `config` is absent until one is active; a failed config stays visible as `pending_config`.

    A stopped endpoint shows the config that a start brings back. The permission level is that of the workspace's owner
    when none is given.
    """
    shown, pending = config_of(endpoint, endpoint.shown_version), config_of(endpoint, endpoint.pending_version)
    body = _common(endpoint)
    body["permission_level"] = permission_level or ("CAN_MANAGE" if endpoint.workspace_id == viewer.id else "CAN_QUERY")
    body["route_optimized"] = endpoint.route_optimized
    if endpoint.route_optimized:
        body["endpoint_url"] = f"{settings.SITE_URL}/serving-endpoints/{endpoint.name}/invocations"
    if endpoint.email_notifications:
        body["email_notifications"] = endpoint.email_notifications
    if shown:
        body["config"] = _config(endpoint, shown)
    if pending:
        body["pending_config"] = {**_config(endpoint, pending), "start_time": epoch_ms(pending.created_at)}
    return body


def summary(endpoint: Endpoint) -> Json:
    """One line of the list: the config in short form."""
    body = _common(endpoint)
    shown = config_of(endpoint, endpoint.shown_version)
    if shown:
        body["config"] = {
            "served_entities": [_spec(endpoint, e) for e in shown.entities.all()],
            "served_models": [_model_spec(e) for e in shown.entities.all() if endpoint.kind == EndpointKind.CUSTOM],
        }
    return body


def is_ready(endpoint: Endpoint) -> bool:
    """All entities of the active config are ready [sdk: EndpointState.ready]; one at zero counts as ready."""
    active = config_of(endpoint, endpoint.active_version)
    return active is not None and all(e.deployment == Deployment.READY for e in active.entities.all())


def config_of(endpoint: Endpoint, version: int | None) -> EndpointConfig | None:
    """The config of that number, from what `list_endpoints` has loaded with the endpoint."""
    return next((c for c in endpoint.configs.all() if c.config_version == version), None)


def _common(endpoint: Endpoint) -> Json:
    body: Json = {
        "name": endpoint.name,
        "id": endpoint.id,
        "creator": endpoint.creator,
        "creation_timestamp": epoch_ms(endpoint.created_at),
        "last_updated_timestamp": epoch_ms(endpoint.updated_at),
        "description": endpoint.description,
        "state": _state(endpoint),
        "tags": endpoint.tags,
    }
    for name in ("task", "ai_gateway", "budget_policy_id"):
        if getattr(endpoint, name):
            body[name] = getattr(endpoint, name)
    if endpoint.telemetry_config:
        body["telemetry_config"] = telemetry.shown(endpoint.telemetry_config)
    if endpoint.budget_policy_id:
        body["usage_policy_id"] = endpoint.budget_policy_id
    return body


def _state(endpoint: Endpoint) -> Json:
    """`suspend` is not in the SDK's type; real answers carry it (seen in published recordings)."""
    return {
        "ready": "READY" if is_ready(endpoint) else "NOT_READY",
        "config_update": endpoint.config_update,
        "suspend": "STOPPED" if endpoint.is_stopped else "NOT_SUSPENDED",
    }


def _config(endpoint: Endpoint, config: EndpointConfig) -> Json:
    entities = list(config.entities.all())
    body: Json = {
        "config_version": config.config_version,
        "served_entities": [_entity(endpoint, e) for e in entities],
        "traffic_config": {"routes": [_route(route) for route in config.routes]},
    }
    if endpoint.kind == EndpointKind.CUSTOM:
        body["served_models"] = [_as_model(_entity(endpoint, e)) for e in entities]
    if config.auto_capture_config:
        body["auto_capture_config"] = _auto_capture(endpoint, config.auto_capture_config)
    return body


def _entity(endpoint: Endpoint, entity: ServedEntity) -> Json:
    return {
        **_spec(endpoint, entity),
        **(_compute(entity) if endpoint.kind == EndpointKind.CUSTOM else {}),
        "creator": endpoint.creator,
        "creation_timestamp": epoch_ms(entity.created_at),
        "state": {"deployment": entity.deployment, "deployment_state_message": entity.deployment_state_message},
    }


def _spec(endpoint: Endpoint, entity: ServedEntity) -> Json:
    """`ServedEntitySpec`: what is served, without how."""
    if endpoint.kind == EndpointKind.EXTERNAL:
        return {"name": entity.name, "external_model": entity.external_model}
    spec: Json = {"name": entity.name, "entity_name": entity.entity_name}
    if entity.entity_version:  # a feature spec has none
        spec["entity_version"] = entity.entity_version
    if endpoint.kind == EndpointKind.FOUNDATION:
        spec["foundation_model"] = entity.foundation_model
    return spec


def _model_spec(entity: ServedEntity) -> Json:
    version = {"model_version": entity.entity_version} if entity.entity_version else {}
    return {"name": entity.name, "model_name": entity.entity_name, **version}


def _compute(entity: ServedEntity) -> Json:
    body: Json = {"workload_type": entity.workload_type, "scale_to_zero_enabled": entity.scale_to_zero_enabled}
    for name in ("workload_size", "environment_vars", "instance_profile_arn"):
        if getattr(entity, name):
            body[name] = getattr(entity, name)
    if entity.min_provisioned_concurrency is not None:
        body["min_provisioned_concurrency"] = entity.min_provisioned_concurrency
        body["max_provisioned_concurrency"] = entity.max_provisioned_concurrency
    return body


def _as_model(entity: Json) -> Json:
    """The deprecated spelling of the same entity."""
    renamed = {"entity_name": "model_name", "entity_version": "model_version"}
    return {renamed.get(name, name): value for name, value in entity.items()}


def _route(route: Json) -> Json:
    """Both spellings of the name, whichever was sent [cli]."""
    return {
        "served_entity_name": route["served_entity_name"],
        "served_model_name": route["served_entity_name"],
        "traffic_percentage": route["traffic_percentage"],
    }


def _auto_capture(endpoint: Endpoint, auto_capture_config: Json) -> Json:
    prefix = auto_capture_config.get("table_name_prefix") or endpoint.name
    return {**auto_capture_config, "state": {"payload_table": {"name": f"{prefix}_payload"}}}
