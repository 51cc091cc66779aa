"""Rules of the AI Gateway config: its fields [sdk: AiGatewayConfig], and what custom models do not have of it."""

from typing import Any

from rest_framework import serializers

from sandbox.errors import InvalidParameterValue
from sandbox.serving.fields import choices, list_of, optional
from sandbox.serving.models import EndpointKind

RENEWAL_PERIODS = ("minute",)
LIMIT_KEYS = ("endpoint", "user", "user_group", "service_principal")
NEEDS_PRINCIPAL = ("user_group", "service_principal")
PII_BEHAVIORS = ("NONE", "BLOCK", "MASK")
MAX_RATE_LIMITS = 20
"""Of one endpoint [docs: ai-gateway/rate-limits page]."""
MAX_WORDS = 200
TABLE_PART = r"^(?!__)[A-Za-z0-9_-]+$"
"""A name that the inference table can really have: each part becomes a folder (`sandbox.inference_tables.names`), and those that
begin with two underscores are the catalog's own."""
PART_SENTENCE = {"invalid": "Use letters, digits, dashes and underscores, and do not begin with two underscores."}
NOT_FOR_CUSTOM = ("guardrails", "fallback_config")
"""Custom models have rate limits in calls, usage tracking and inference tables [AI Gateway page, table of features]."""
Json = dict[str, Any]


class InferenceTableBody(serializers.Serializer[Any]):
    """`auto_capture_config` and `ai_gateway.inference_table_config` have the same four fields."""

    enabled = serializers.BooleanField(**optional())
    catalog_name = serializers.RegexField(TABLE_PART, **optional(max_length=100, error_messages=PART_SENTENCE))
    schema_name = serializers.RegexField(TABLE_PART, **optional(max_length=100, error_messages=PART_SENTENCE))
    table_name_prefix = serializers.RegexField(TABLE_PART, **optional(max_length=100, error_messages=PART_SENTENCE))


class EnabledBody(serializers.Serializer[Any]):
    enabled = serializers.BooleanField(required=True)


class RateLimitBody(serializers.Serializer[Any]):
    """`AiGatewayRateLimit`: calls or tokens a minute, for the endpoint or for each of those who ask."""

    calls = serializers.IntegerField(**optional(min_value=0, max_value=2**31 - 1))
    tokens = serializers.IntegerField(**optional(min_value=0, max_value=2**31 - 1))
    key = serializers.ChoiceField(**choices(LIMIT_KEYS))
    principal = serializers.CharField(**optional(max_length=254))
    renewal_period = serializers.ChoiceField(**{**choices(RENEWAL_PERIODS), "required": True, "allow_null": False})

    def validate(self, attrs: Json) -> Json:
        if attrs.get("calls") is None and attrs.get("tokens") is None:
            raise serializers.ValidationError("A rate limit needs calls or tokens: how many are allowed in a minute.")
        key = attrs.get("key") or "endpoint"
        if key in NEEDS_PRINCIPAL and not attrs.get("principal"):
            raise serializers.ValidationError(f"A rate limit with key '{key}' needs principal: whom it is for.")
        if key == "endpoint" and attrs.get("principal"):
            raise serializers.ValidationError("A rate limit with key 'endpoint' is for everybody: leave principal out.")
        return attrs


class PiiBody(serializers.Serializer[Any]):
    behavior = serializers.ChoiceField(**choices(PII_BEHAVIORS))


class GuardrailBody(serializers.Serializer[Any]):
    safety = serializers.BooleanField(**optional())
    pii = PiiBody(**optional())
    invalid_keywords = serializers.ListField(child=serializers.CharField(max_length=200), **optional(max_length=MAX_WORDS))
    valid_topics = serializers.ListField(child=serializers.CharField(max_length=200), **optional(max_length=MAX_WORDS))


class GuardrailsBody(serializers.Serializer[Any]):
    input = GuardrailBody(**optional())
    output = GuardrailBody(**optional())


class AiGatewayBody(serializers.Serializer[Any]):
    """Kept and echoed. Which of it has an effect here is said in sandbox/README.md."""

    inference_table_config = InferenceTableBody(**optional())
    usage_tracking_config = EnabledBody(**optional())
    rate_limits = list_of(RateLimitBody, max_length=MAX_RATE_LIMITS)
    guardrails = GuardrailsBody(**optional())
    fallback_config = EnabledBody(**optional())


class OldRateLimitBody(serializers.Serializer[Any]):
    """The deprecated `RateLimit`: calls of the endpoint or of each user."""

    calls = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    key = serializers.ChoiceField(**choices(("user", "endpoint")))
    renewal_period = serializers.ChoiceField(**{**choices(RENEWAL_PERIODS), "required": True, "allow_null": False})


class OldRateLimitsBody(serializers.Serializer[Any]):
    rate_limits = list_of(OldRateLimitBody, max_length=MAX_RATE_LIMITS)


def check_kind(kind: str, ai_gateway: Json) -> None:
    """Raises InvalidParameterValue for what models of this kind do not have."""
    if kind != EndpointKind.CUSTOM:
        return
    for field in NOT_FOR_CUSTOM:
        if ai_gateway.get(field):
            raise InvalidParameterValue(
                f"ai_gateway.{field} is not supported for custom models. They have rate_limits, usage_tracking_config and "
                "inference_table_config."
            )
    if any("tokens" in limit for limit in ai_gateway.get("rate_limits", ())):
        raise InvalidParameterValue(
            "ai_gateway.rate_limits: limits in tokens are for language models. Give a custom model limits in calls."
        )


def with_defaults(rate_limits: list[Json]) -> list[Json]:
    """The deprecated limits as ai_gateway.rate_limits says them; the key is 'endpoint' when left out [sdk: RateLimit.key]."""
    return [{**limit, "key": limit.get("key", "endpoint")} for limit in rate_limits]
