"""Bodies of the serving-endpoints API, field for field [sdk: service/serving.py], and the sentences that explain a refusal."""

import re
from typing import Any

from rest_framework import serializers

from sandbox.errors import InvalidParameterValue
from sandbox.serving.entity_rules import WORKLOAD_SIZES, WORKLOAD_TYPES, read_entities
from sandbox.serving.inputs import ConfigInput, EndpointInput
from sandbox.serving.traffic import complete_routes

NAME = re.compile(r"^[A-Za-z0-9_-]{1,63}$")
RESERVED_PREFIX = "databricks-"
WHOLE_PERCENTAGE = "It must be a whole number from 0 to 100."


def optional(**more: Any) -> dict[str, Any]:
    """Arguments of a field that may be left out or null."""
    return {"required": False, "allow_null": True, **more}


def choices(words: tuple[str, ...]) -> dict[str, Any]:
    return optional(choices=words, error_messages={"invalid_choice": f'"{{input}}" is not valid. Use {", ".join(words)}.'})


class TextMap(serializers.DictField):
    """A map from text to text."""

    child = serializers.CharField(allow_blank=True, trim_whitespace=False)


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


class InferenceTableBody(serializers.Serializer[Any]):
    """`auto_capture_config` and `ai_gateway.inference_table_config` have the same four fields."""

    enabled = serializers.BooleanField(**optional())
    catalog_name = serializers.RegexField(r"^[^.\s/]+$", **optional(max_length=100))
    schema_name = serializers.RegexField(r"^[^.\s/]+$", **optional(max_length=100))
    table_name_prefix = serializers.RegexField(r"^[A-Za-z0-9_-]+$", **optional(max_length=100))


class ConfigBody(serializers.Serializer[Any]):
    served_entities = ServedEntityBody(many=True, **optional())
    served_models = ServedModelBody(many=True, **optional())
    traffic_config = TrafficConfigBody(**optional())
    auto_capture_config = InferenceTableBody(**optional())


class TagBody(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=127)
    value = serializers.CharField(**optional(max_length=255, allow_blank=True))


class AiGatewayBody(serializers.Serializer[Any]):
    """Kept and echoed. Of it only inference_table_config has an effect here yet."""

    inference_table_config = InferenceTableBody(**optional())
    usage_tracking_config = serializers.DictField(**optional())
    rate_limits = serializers.ListField(child=serializers.DictField(), **optional())
    guardrails = serializers.DictField(**optional())
    fallback_config = serializers.DictField(**optional())


class CreateEndpointBody(serializers.Serializer[Any]):
    name = serializers.CharField()
    config = ConfigBody()
    description = serializers.CharField(**optional(allow_blank=True))
    tags = TagBody(many=True, **optional())
    ai_gateway = AiGatewayBody(**optional())
    email_notifications = serializers.DictField(**optional())
    budget_policy_id = serializers.CharField(**optional(allow_blank=True, max_length=100))
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
    add_tags = TagBody(many=True, **optional())
    delete_tags = serializers.ListField(child=serializers.CharField(), **optional())


def read_endpoint(data: Any) -> EndpointInput:
    """The body of a create call as checked values. Raises ValidationError or InvalidParameterValue (both answer 400)."""
    body = checked(CreateEndpointBody, data)
    return EndpointInput(
        name=body["name"],
        config=_config(body["config"]),
        description=body.get("description", ""),
        tags=tuple(tag_of(t) for t in body.get("tags", ())),
        ai_gateway=body.get("ai_gateway", {}),
        email_notifications=body.get("email_notifications", {}),
        budget_policy_id=body.get("budget_policy_id", ""),
        route_optimized=body.get("route_optimized", False),
    )


def read_config(data: Any) -> ConfigInput:
    """The body of a config update (EndpointCoreConfigInput at the top level) as checked values."""
    return _config(checked(ConfigBody, data))


def checked(body: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The body's known fields without nulls; unknown ones are ignored, as the real API does."""
    if not isinstance(data, dict):
        raise InvalidParameterValue("The body must be a JSON object.")
    serializer = body(data=data)
    serializer.is_valid(raise_exception=True)
    without_nulls = _without_nulls(serializer.validated_data)
    assert isinstance(without_nulls, dict)
    return without_nulls


def tag_of(tag: dict[str, str]) -> dict[str, str]:
    return {"key": tag["key"], "value": tag.get("value", "")}


def _config(body: dict[str, Any]) -> ConfigInput:
    entities = read_entities(body.get("served_entities"), body.get("served_models"))
    routes = body["traffic_config"]["routes"] if "traffic_config" in body else None
    pairs = None if routes is None else [(r["name"], r["traffic_percentage"]) for r in routes]
    return ConfigInput(
        entities=entities,
        routes=complete_routes(pairs, [e.name for e in entities]),
        auto_capture_config=body.get("auto_capture_config", {}),
    )


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value
