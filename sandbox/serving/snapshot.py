"""Makes the published snapshot of an endpoint equal to what the database says."""

import logging
from typing import Any, cast

from django.conf import settings

from sandbox import live
from sandbox.connections import redis_client
from sandbox.errors import ApiError
from sandbox.serving import access, compute, rate_limits, telemetry
from sandbox.serving.autoscaling import CONCURRENCY_PER_REPLICA
from sandbox.serving.models import ConfigUpdate, Endpoint, EndpointConfig, EndpointKind, ServedEntity
from sandbox.serving.payload_tables import table_name
from sandbox.workspaces.encryption import encrypt
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.secret_store import resolve

log = logging.getLogger(__name__)

RUNTIMES: dict[str, live.Runtime] = {
    EndpointKind.CUSTOM: "onnx",
    EndpointKind.FOUNDATION: "embedding",
    EndpointKind.EXTERNAL: "external",
}
PUBLISH_ATTEMPTS = 5


def sync(workspace_id: str, name: str) -> None:
    """Publish or withdraw `name`, and look again: whoever changed the row meanwhile must not be overwritten by us."""
    redis = redis_client()
    for _ in range(PUBLISH_ATTEMPTS):
        version = _row_version(workspace_id, name)
        endpoint = Endpoint.objects.select_related("workspace").filter(workspace_id=workspace_id, name=name).first()
        if endpoint is None:
            live.withdraw_endpoint(redis, workspace_id, name)
        else:
            live.publish_endpoint(redis, live_endpoint(endpoint, active_config(endpoint)))
        if _row_version(workspace_id, name) == version:
            return
    log.warning("endpoint %s changed faster than it could be published; the sweep looks again", name)


def announce(endpoint: Endpoint, config: EndpointConfig) -> None:
    """Publish a config that is about to become the active one."""
    live.publish_endpoint(redis_client(), live_endpoint(endpoint, config))


def live_endpoint(endpoint: Endpoint, config: EndpointConfig | None, *, with_keys: bool = True) -> live.LiveEndpoint:
    """What gateways need to know: the active config, or why there is none.

    `with_keys` False leaves provider keys empty, to compare with what is published (each encryption looks different).
    """
    return live.LiveEndpoint(
        workspace_id=endpoint.workspace_id,
        endpoint_id=endpoint.id,
        name=endpoint.name,
        config_version=config.config_version if config else 0,
        task=task_of(endpoint, config),
        routes=tuple(live.LiveRoute(**route) for route in config.routes) if config else (),
        entities=tuple(_live_entity(endpoint, e, with_keys) for e in config.entities.all()) if config else (),
        inference_table=inference_table(endpoint, config),
        not_ready_message="" if config else _not_ready_message(endpoint),
        may_query=access.may_query(endpoint),
        limits=rate_limits.live_limits(endpoint),
    )


def active_config(endpoint: Endpoint) -> EndpointConfig | None:
    if endpoint.active_version is None:
        return None
    return endpoint.configs.prefetch_related("entities").get(config_version=endpoint.active_version)


def inference_table(endpoint: Endpoint, config: EndpointConfig | None) -> str:
    """Three-level name of the table the calls are logged to; empty when logging is switched off."""
    chosen = telemetry.capture(endpoint.telemetry_config) or (config.auto_capture_config if config else None)
    return table_name(endpoint.workspace, endpoint.name, endpoint.ai_gateway, chosen)


def task_of(endpoint: Endpoint, config: EndpointConfig | None) -> str:
    """What the config does; while another one rolls out, it is not what that one will do."""
    if endpoint.kind != EndpointKind.EXTERNAL or config is None:
        return endpoint.task
    return next((str(entity.external_model["task"]) for entity in config.entities.all()), endpoint.task)


def _live_entity(endpoint: Endpoint, entity: ServedEntity, with_keys: bool) -> live.LiveEntity:
    return live.LiveEntity(
        entity_id=entity.id,
        name=entity.name,
        runtime=cast("live.Runtime", entity.runtime) if entity.runtime else RUNTIMES[endpoint.kind],
        entity_name=entity.entity_name or entity.external_model.get("name", ""),
        entity_version=entity.entity_version,
        model_sha256=entity.model_sha256,
        scale_to_zero=entity.scale_to_zero_enabled,
        max_concurrency=compute.range_of(entity).highest * CONCURRENCY_PER_REPLICA,
        external=_live_external(endpoint.workspace, entity, with_keys) if endpoint.kind == EndpointKind.EXTERNAL else {},
    )


def _live_external(workspace: Workspace, entity: ServedEntity, with_keys: bool) -> dict[str, Any]:
    """How to call the provider. The key is readable only with the key file."""
    config = entity.external_model.get("openai_config", {})
    return {
        "provider": entity.external_model["provider"],
        "model": entity.external_model["name"],
        "task": entity.external_model["task"],
        "base_url": config.get("openai_api_base") or settings.OPENAI_API_BASE,
        "organization": config.get("openai_organization", ""),
        "api_key_ciphertext": _key_ciphertext(workspace, entity) if with_keys else "",
    }


def _key_ciphertext(workspace: Workspace, entity: ServedEntity) -> str:
    """Empty when the secret was deleted: the provider then refuses the call, the endpoint stays what it is."""
    pasted = entity.external_secrets.get("openai_api_key")
    if pasted:
        return str(pasted)
    try:
        return encrypt(resolve(workspace, entity.external_model["openai_config"]["openai_api_key"]))
    except ApiError as error:
        log.warning("the key of served entity %s cannot be read: %s", entity.id, error.message)
        return ""


def _not_ready_message(endpoint: Endpoint) -> str:
    if endpoint.is_stopped:
        return f"Endpoint {endpoint.name} is stopped. Start it, and wait until its state is READY."
    if endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        return f"Endpoint {endpoint.name} is not ready yet: its first config is being deployed. Wait until its state is READY."
    return f"Endpoint {endpoint.name} is not ready: its first config could not be deployed. See its state; update its config."


def _row_version(workspace_id: str, name: str) -> tuple[Any, ...] | None:
    """Whatever of the row decides about the snapshot."""
    fields = ("id", "active_version", "config_update", "ai_gateway", "updated_at", "access_version")
    return Endpoint.objects.filter(workspace_id=workspace_id, name=name).values_list(*fields).first()
