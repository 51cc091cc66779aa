"""What can be changed on an endpoint without a config update: tags, gateway, notifications, telemetry [terraform provider]."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from sandbox.errors import InvalidParameterValue, ResourceConflict
from sandbox.serving import afterwards, payload_tables, rate_limits, telemetry
from sandbox.serving.ai_gateway import check_kind, with_defaults
from sandbox.serving.config_checks import check_table_move
from sandbox.serving.models import Endpoint, EndpointKind
from sandbox.serving.operations import get_endpoint, locked, own_endpoint
from sandbox.serving.serializers import MAX_TAGS
from sandbox.workspaces.models import Workspace

TELEMETRY_KINDS = {EndpointKind.EXTERNAL: "EXTERNAL_MODELS", EndpointKind.FOUNDATION: "FOUNDATION_MODELS"}
Json = dict[str, Any]


def patch_tags(workspace: Workspace, name: str, add: Sequence[dict[str, str]], delete: Iterable[str]) -> list[dict[str, str]]:
    """Add or replace tags and delete others; a tag's key is unique. Returns all tags."""
    with transaction.atomic():
        endpoint = locked(own_endpoint(workspace, name))
        tags = {tag["key"]: tag for tag in endpoint.tags}
        tags.update({tag["key"]: tag for tag in add})
        for key in delete:
            tags.pop(key, None)
        if len(tags) > MAX_TAGS:
            raise InvalidParameterValue(f"An endpoint has at most {MAX_TAGS} tags; it would have {len(tags)}.")
        _save(endpoint, tags=list(tags.values()))
    return list(tags.values())


def put_ai_gateway(workspace: Workspace, name: str, ai_gateway: Json) -> Json:
    """Replace the whole AI Gateway config; an empty one removes it. No config update is started [cli]."""
    with transaction.atomic():
        endpoint = locked(own_endpoint(workspace, name))
        check_kind(endpoint.kind, ai_gateway)
        rate_limits.check(workspace, ai_gateway)
        field = "inference_table_config"
        check_table_move(f"ai_gateway.{field}", endpoint.ai_gateway.get(field), ai_gateway.get(field))
        active = endpoint.configs.filter(config_version=endpoint.active_version or 0).first()
        chosen = telemetry.capture(endpoint.telemetry_config) or (active.auto_capture_config if active else None)
        payload_tables.check_is_free(workspace, name, ai_gateway, chosen)
        _save(endpoint, ai_gateway=ai_gateway, published_version=None)
        afterwards.reconcile(endpoint)
    return ai_gateway


def put_rate_limits(workspace: Workspace, name: str, limits: list[Json]) -> list[Json]:
    """The deprecated way to ai_gateway.rate_limits, which it replaces; the rest of the gateway stays."""
    given = with_defaults(limits)
    rate_limits.check(workspace, {"rate_limits": given})
    with transaction.atomic():
        endpoint = locked(own_endpoint(workspace, name))
        others = {key: value for key, value in endpoint.ai_gateway.items() if key != "rate_limits"}
        _save(endpoint, ai_gateway={**others, **({"rate_limits": given} if given else {})}, published_version=None)
        afterwards.reconcile(endpoint)
    return given


def patch_notifications(workspace: Workspace, name: str, email_notifications: Json) -> Endpoint:
    """Replace who gets an e-mail when an update ends."""
    with transaction.atomic():
        _save(locked(own_endpoint(workspace, name)), email_notifications=email_notifications)
    return get_endpoint(workspace, name)


def patch_telemetry(workspace: Workspace, name: str, asked: Json | None) -> Endpoint:
    """Replace the telemetry config; None removes it.

    Raises InvalidParameterValue, ResourceConflict [cli] and ResourceDoesNotExist (profile).
    """
    with transaction.atomic():
        endpoint = locked(own_endpoint(workspace, name))
        if endpoint.kind != EndpointKind.CUSTOM:
            raise InvalidParameterValue(
                f"Telemetry configuration is not supported for endpoint type '{TELEMETRY_KINDS[EndpointKind(endpoint.kind)]}'. "
                "This API only supports endpoints with custom served models."
            )
        if endpoint.is_updating:
            raise ResourceConflict(
                f"Endpoint {name} is currently updating. Wait for the update to complete before updating its telemetry "
                "configuration."
            )
        kept = telemetry.applied(workspace, asked, endpoint.telemetry_config) if asked is not None else {}
        if chosen := telemetry.capture(kept):
            payload_tables.check_is_free(workspace, name, endpoint.ai_gateway, chosen)
        _save(endpoint, telemetry_config=kept, published_version=None)
        afterwards.reconcile(endpoint)
    return get_endpoint(workspace, name)


def _save(endpoint: Endpoint, **fields: Any) -> None:
    """Write these fields of a locked row, and when that was."""
    for field, value in {**fields, "updated_at": timezone.now()}.items():
        setattr(endpoint, field, value)
    endpoint.save(update_fields=[*fields, "updated_at"])
