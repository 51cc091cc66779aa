"""Bodies of the serving-endpoints API, field for field [sdk: service/serving.py], and the sentences that explain a refusal."""

import re
from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from sandbox.errors import InvalidParameterValue
from sandbox.serving.ai_gateway import (
    MAX_RATE_LIMITS,
    AiGatewayBody,
    InferenceTableBody,
    OldRateLimitBody,
    check_kind,
    with_defaults,
)
from sandbox.serving.entity_rules import WORKLOAD_SIZES, WORKLOAD_TYPES, read_entities
from sandbox.serving.fields import TextMap, checked, choices, list_of, optional
from sandbox.serving.inputs import ConfigInput, EndpointInput
from sandbox.serving.models import EndpointKind, PermissionLevel
from sandbox.serving.traffic import complete_routes

NAME = re.compile(r"^[A-Za-z0-9_-]{1,63}$")
RESERVED_PREFIX = "databricks-"
WHOLE_PERCENTAGE = "It must be a whole number from 0 to 100."
MAX_DESCRIPTION_CHARACTERS = 4096
MAX_TAGS = 50
MAX_RECIPIENTS = 20
MAX_PERMISSIONS = 500
TELEMETRY_FEATURES = tuple(f"TELEMETRY_FEATURE_{word}" for word in ("INFERENCE_TABLE", "LOGS", "METRICS", "TRACES"))
TABLE = r"^[\w-]+\.[\w-]+\.[A-Za-z0-9_]+\Z"
"""Of the table itself only letters, digits and underscores [docs: Persist custom model serving data to Unity Catalog]."""
THREE_LEVELS: dict[str, Any] = {
    "invalid": "It must be a full table name, catalog.schema.table, the table of letters, digits and underscores."
}
ADDRESS: dict[str, Any] = {"max_length": 254, "error_messages": {"invalid": "It must be an e-mail address."}}


class CommonEntityBody(serializers.Serializer[Any]):
    """What served_entities and served_models have in common."""

    name = serializers.CharField(**optional(max_length=200))
    workload_size = serializers.ChoiceField(**choices(WORKLOAD_SIZES))
    workload_type = serializers.ChoiceField(**choices(WORKLOAD_TYPES))
    scale_to_zero_enabled = serializers.BooleanField(**optional())
    min_provisioned_concurrency = serializers.IntegerField(**optional(min_value=0))
    max_provisioned_concurrency = serializers.IntegerField(**optional(min_value=0))
    environment_vars = TextMap(**optional())
    instance_profile_arn = serializers.CharField(**optional(max_length=200))


class ServedEntityBody(CommonEntityBody):
    entity_name = serializers.CharField(**optional(max_length=255))
    entity_version = serializers.CharField(**optional(max_length=32))
    external_model = serializers.DictField(**optional())


class ServedModelBody(CommonEntityBody):
    """Deprecated alias of ServedEntityBody: model_name and model_version."""

    model_name = serializers.CharField(**optional(max_length=255))
    model_version = serializers.CharField(**optional(max_length=32))


class RouteBody(serializers.Serializer[Any]):
    """A percentage may also come as text: documentation examples write "90"."""

    served_entity_name = serializers.CharField(**optional())
    served_model_name = serializers.CharField(**optional())
    traffic_percentage = serializers.IntegerField(
        min_value=0,
        max_value=100,
        error_messages={"min_value": WHOLE_PERCENTAGE, "max_value": WHOLE_PERCENTAGE, "invalid": WHOLE_PERCENTAGE},
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = {name for name in (attrs.get("served_entity_name"), attrs.get("served_model_name")) if name}
        if len(names) != 1:
            raise serializers.ValidationError("A route names one served entity, in served_entity_name or served_model_name.")
        return {"name": names.pop(), "traffic_percentage": attrs["traffic_percentage"]}


class TrafficConfigBody(serializers.Serializer[Any]):
    routes = RouteBody(many=True, allow_empty=False)


class ConfigBody(serializers.Serializer[Any]):
    served_entities = list_of(ServedEntityBody)
    served_models = list_of(ServedModelBody)
    traffic_config = TrafficConfigBody(**optional())
    auto_capture_config = InferenceTableBody(**optional())


class TagBody(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=127)
    value = serializers.CharField(**optional(max_length=255, allow_blank=True))


class EmailNotificationsBody(serializers.Serializer[Any]):
    """Who gets an e-mail when an update ends, well or not."""

    on_update_success = serializers.ListField(child=serializers.EmailField(**ADDRESS), **optional(max_length=MAX_RECIPIENTS))
    on_update_failure = serializers.ListField(child=serializers.EmailField(**ADDRESS), **optional(max_length=MAX_RECIPIENTS))


class NotificationsBody(serializers.Serializer[Any]):
    email_notifications = EmailNotificationsBody(**optional())


class TelemetryTablesBody(serializers.Serializer[Any]):
    logs_table = serializers.RegexField(TABLE, **optional(max_length=600, error_messages=THREE_LEVELS))
    metrics_table = serializers.RegexField(TABLE, **optional(max_length=600, error_messages=THREE_LEVELS))
    traces_table = serializers.RegexField(TABLE, **optional(max_length=600, error_messages=THREE_LEVELS))
    annotations_table = serializers.RegexField(TABLE, **optional(max_length=600, error_messages=THREE_LEVELS))


class TelemetryTableBody(serializers.Serializer[Any]):
    name = serializers.CharField(**optional(max_length=255))
    sampling_fraction = serializers.FloatField(**optional(min_value=0, max_value=1))


class TelemetryBody(serializers.Serializer[Any]):
    table_names = TelemetryTablesBody(**optional())
    telemetry_profile_id = serializers.CharField(**optional(max_length=100))
    enabled_telemetry_features = serializers.ListField(
        child=serializers.ChoiceField(TELEMETRY_FEATURES), **optional(max_length=10)
    )
    inference_table_config = TelemetryTableBody(**optional())

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("table_names") and attrs.get("telemetry_profile_id"):
            raise serializers.ValidationError("Give table_names or telemetry_profile_id, not both.")
        return attrs


class TelemetryPatchBody(serializers.Serializer[Any]):
    telemetry_config = TelemetryBody(**optional())


class PermissionBody(serializers.Serializer[Any]):
    user_name = serializers.CharField(**optional(max_length=254))
    group_name = serializers.CharField(**optional(max_length=128))
    service_principal_name = serializers.CharField(**optional(max_length=254))
    permission_level = serializers.ChoiceField(
        PermissionLevel.values,
        error_messages={"invalid_choice": f'"{{input}}" is not valid. Use {", ".join(PermissionLevel.values)}.'},
    )


class PermissionsBody(serializers.Serializer[Any]):
    access_control_list = list_of(PermissionBody, max_length=MAX_PERMISSIONS)


class CreateEndpointBody(serializers.Serializer[Any]):
    name = serializers.CharField()
    config = ConfigBody()
    description = serializers.CharField(**optional(allow_blank=True, max_length=MAX_DESCRIPTION_CHARACTERS))
    tags = list_of(TagBody, max_length=MAX_TAGS)
    ai_gateway = AiGatewayBody(**optional())
    rate_limits = list_of(OldRateLimitBody, max_length=MAX_RATE_LIMITS)
    email_notifications = EmailNotificationsBody(**optional())
    telemetry_config = TelemetryBody(**optional())
    budget_policy_id = serializers.CharField(**optional(allow_blank=True, max_length=100))
    usage_policy_id = serializers.CharField(**optional(allow_blank=True, max_length=100))
    route_optimized = serializers.BooleanField(**optional())

    def validate_name(self, name: str) -> str:
        if not NAME.match(name):
            raise serializers.ValidationError(
                f"'{name}' is not a valid endpoint name. Use 1 to 63 letters, digits, dashes and underscores."
            )
        if name.startswith(RESERVED_PREFIX):
            raise serializers.ValidationError(
                f"'{name}' is not a valid endpoint name: the prefix '{RESERVED_PREFIX}' is reserved for preconfigured endpoints."
            )
        return name


class TagsBody(serializers.Serializer[Any]):
    add_tags = list_of(TagBody, max_length=MAX_TAGS)
    delete_tags = serializers.ListField(child=serializers.CharField(), **optional(max_length=MAX_TAGS))


def read_endpoint(data: Any) -> EndpointInput:
    """The body of a create call as checked values. Raises ValidationError or InvalidParameterValue (both answer 400)."""
    body = checked(CreateEndpointBody, data)
    config = _config(body["config"])
    ai_gateway = _gateway(body, config)
    if body.get("route_optimized") and config.kind != EndpointKind.CUSTOM:
        raise InvalidParameterValue("route_optimized is for custom models and feature serving, not for external models.")
    return EndpointInput(
        name=body["name"],
        config=config,
        description=body.get("description", ""),
        tags=read_tags(body.get("tags", ())),
        ai_gateway=ai_gateway,
        email_notifications=body.get("email_notifications", {}),
        telemetry_config=body.get("telemetry_config", {}),
        budget_policy_id=_policy(body),
        route_optimized=body.get("route_optimized", False),
    )


def read_tags(tags: Iterable[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Tags with a value, "" when none was given. Raises InvalidParameterValue when a key comes twice."""
    found = tuple({"key": tag["key"], "value": tag.get("value", "")} for tag in tags)
    keys = [tag["key"] for tag in found]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InvalidParameterValue(f"The tag key '{twice}' is given more than once. Keys are unique on an endpoint.")
    return found


def read_config(data: Any) -> ConfigInput:
    """The body of a config update (EndpointCoreConfigInput at the top level) as checked values."""
    return _config(checked(ConfigBody, data))


def _gateway(body: dict[str, Any], config: ConfigInput) -> dict[str, Any]:
    """The AI Gateway config, with the deprecated rate_limits in its place."""
    ai_gateway: dict[str, Any] = body.get("ai_gateway", {})
    if body.get("rate_limits"):
        if ai_gateway.get("rate_limits"):
            raise InvalidParameterValue("Give ai_gateway.rate_limits or the deprecated rate_limits, not both.")
        ai_gateway = {**ai_gateway, "rate_limits": with_defaults(body["rate_limits"])}
    check_kind(config.kind, ai_gateway)
    return ai_gateway


def _policy(body: dict[str, Any]) -> str:
    """One policy under two names: budget policies are called usage policies by now [manage-serving-endpoints page]."""
    old, new = body.get("budget_policy_id", ""), body.get("usage_policy_id", "")
    if old and new and old != new:
        raise InvalidParameterValue(f"budget_policy_id '{old}' and usage_policy_id '{new}' differ; they are one thing. Give one.")
    return str(new or old)


def _config(body: dict[str, Any]) -> ConfigInput:
    entities = read_entities(body.get("served_entities"), body.get("served_models"))
    routes = body["traffic_config"]["routes"] if "traffic_config" in body else None
    pairs = None if routes is None else [(r["name"], r["traffic_percentage"]) for r in routes]
    return ConfigInput(
        entities=entities,
        routes=complete_routes(pairs, [e.name for e in entities]),
        auto_capture_config=body.get("auto_capture_config", {}),
    )
