"""Tags, notifications, rate limits, gateway, telemetry and policies: what changes without a config update."""

from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import serving

from tests.contract.serving.endpoints import activate, config

ROOT = "/api/2.0/serving-endpoints"
MINUTE = serving.RateLimitRenewalPeriod.MINUTE
GATEWAY_MINUTE = serving.AiGatewayRateLimitRenewalPeriod.MINUTE


@pytest.fixture
def churn(w: Any) -> str:
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    return "churn"


def test_what_create_is_told_is_shown(w: Any) -> None:
    w.serving_endpoints.create(
        name="churn",
        config=config(1),
        description="Who leaves?",
        budget_policy_id="policy-1",
        route_optimized=True,
        email_notifications=serving.EmailNotifications(on_update_failure=["ada@example.org"]),
        tags=[serving.EndpointTag(key="team", value="ml"), serving.EndpointTag(key="bare")],
        rate_limits=[serving.RateLimit(calls=5, renewal_period=MINUTE)],
        telemetry_config=serving.TelemetryConfig(
            table_names=serving.UnityCatalogTableNames(logs_table="main.default.churn_logs"),
            inference_table_config=serving.TelemetryInferenceTableConfig(sampling_fraction=1.0),
        ),
    )
    got = w.serving_endpoints.get("churn")
    assert (got.description, got.budget_policy_id, got.route_optimized) == ("Who leaves?", "policy-1", True)
    assert got.endpoint_url.endswith("/serving-endpoints/churn/invocations")
    assert got.email_notifications == serving.EmailNotifications(on_update_failure=["ada@example.org"])
    assert got.tags == [serving.EndpointTag(key="team", value="ml"), serving.EndpointTag(key="bare", value="")]
    assert got.ai_gateway.rate_limits == [
        serving.AiGatewayRateLimit(calls=5, key=serving.AiGatewayRateLimitKey.ENDPOINT, renewal_period=GATEWAY_MINUTE)
    ]
    assert got.telemetry_config.table_names is None
    assert len(got.telemetry_config.telemetry_profile_id) == 32
    assert got.telemetry_config.inference_table_config == serving.TelemetryInferenceTableConfig(
        name="main.default.churn_logs_payload", sampling_fraction=1.0
    )
    assert next(iter(w.serving_endpoints.list())).usage_policy_id == "policy-1"


def test_both_names_of_the_policy(w: Any) -> None:
    body = {"config": config(1).as_dict(), "name": "churn"}
    w.api_client.do("POST", ROOT, body={**body, "usage_policy_id": "p"})
    assert w.serving_endpoints.get("churn").budget_policy_id == "p"
    with pytest.raises(errors.InvalidParameterValue, match="'a' and usage_policy_id 'b' differ"):
        w.api_client.do("POST", ROOT, body={**body, "name": "two", "budget_policy_id": "a", "usage_policy_id": "b"})


def test_tags(w: Any, churn: str) -> None:
    tag = serving.EndpointTag
    assert w.serving_endpoints.patch(churn, add_tags=[tag("a", "1"), tag("b", "2")]).tags == [tag("a", "1"), tag("b", "2")]
    assert w.serving_endpoints.patch(churn, add_tags=[tag("a", "3")], delete_tags=["b", "none"]).tags == [tag("a", "3")]
    assert w.serving_endpoints.get(churn).config.config_version == 1
    with pytest.raises(errors.InvalidParameterValue, match="The tag key 'a' is given more than once"):
        w.serving_endpoints.patch(churn, add_tags=[tag("a", "1"), tag("a", "2")])
    with pytest.raises(errors.InvalidParameterValue, match="at most 50 tags; it would have 51"):
        w.serving_endpoints.patch(churn, add_tags=[tag(f"t{i}", "") for i in range(50)])
    with pytest.raises(errors.InvalidParameterValue, match=r"add_tags\[0\]\.key"):
        w.serving_endpoints.patch(churn, add_tags=[tag("k" * 128, "")])


def test_notifications_are_kept_and_replaced(w: Any, churn: str) -> None:
    both = serving.EmailNotifications(on_update_success=["a@example.org"], on_update_failure=["b@example.org", "c@example.org"])
    answer = w.serving_endpoints.update_notifications(churn, email_notifications=both)
    assert (answer.name, answer.email_notifications) == (churn, both)
    assert w.serving_endpoints.get(churn).email_notifications == both
    w.serving_endpoints.update_notifications(churn)
    assert w.serving_endpoints.get(churn).email_notifications is None
    with pytest.raises(errors.InvalidParameterValue, match=r"on_update_success\[0\]: It must be an e-mail address"):
        w.serving_endpoints.update_notifications(
            churn, email_notifications=serving.EmailNotifications(on_update_success=["not an address"])
        )


@pytest.mark.parametrize(
    ("config_update", "subject", "recipient"),
    [
        ("NOT_UPDATING", "Serving endpoint churn is updated", "good@example.org"),
        ("UPDATE_FAILED", "Serving endpoint churn could not be updated", "bad@example.org"),
    ],
)
def test_an_update_that_ends_is_told_by_mail(
    w: Any, churn: str, mailoutbox: list[Any], config_update: str, subject: str, recipient: str
) -> None:
    from sandbox.serving import events, notifications
    from sandbox.serving.models import Endpoint, Notification

    told = serving.EmailNotifications(on_update_success=["good@example.org"], on_update_failure=["bad@example.org"])
    w.serving_endpoints.update_notifications(churn, email_notifications=told)
    type_ = events.CONFIG_UPDATE_FINISHED if config_update == "NOT_UPDATING" else events.CONFIG_UPDATE_FAILED
    events.of_endpoint(Endpoint.objects.get(), 2, type_, "What happened.")
    notifications.send_due()
    notifications.send_due()
    assert [(mail.subject, mail.to) for mail in mailoutbox] == [(subject, [recipient])]
    assert "Config 2 of the serving endpoint churn: What happened." in mailoutbox[0].body
    assert Notification.objects.get().sent_at is not None


def test_a_mail_server_that_is_away_is_tried_again(w: Any, churn: str, settings: Any, tmp_path: Path) -> None:
    from datetime import timedelta

    from sandbox.serving import events, notifications
    from sandbox.serving.models import Endpoint, Notification

    told = serving.EmailNotifications(on_update_success=["good@example.org"])
    w.serving_endpoints.update_notifications(churn, email_notifications=told)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    events.of_endpoint(Endpoint.objects.get(), 2, events.CONFIG_UPDATE_FINISHED, "Done.")
    notifications.send_due()
    first = Notification.objects.get()
    assert (first.sent_at, first.tries) == (None, 1)

    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    notifications.send_due()
    assert Notification.objects.get().sent_at is None  # its pause is not over
    Notification.objects.update(try_after=first.created_at - timedelta(seconds=1))
    notifications.send_due()
    assert Notification.objects.get().sent_at is not None
    written = next((tmp_path / "mail").iterdir()).read_text()
    assert "To: good@example.org" in written


def test_the_deprecated_rate_limits_become_the_gateways(w: Any, churn: str) -> None:
    user = serving.RateLimit(calls=10, key=serving.RateLimitKey.USER, renewal_period=MINUTE)
    w.serving_endpoints.put_ai_gateway(churn, usage_tracking_config=serving.AiGatewayUsageTrackingConfig(enabled=True))
    assert w.serving_endpoints.put(churn, rate_limits=[user]).rate_limits == [user]
    gateway = w.serving_endpoints.get(churn).ai_gateway
    assert gateway.rate_limits == [
        serving.AiGatewayRateLimit(calls=10, key=serving.AiGatewayRateLimitKey.USER, renewal_period=GATEWAY_MINUTE)
    ]
    assert gateway.usage_tracking_config.enabled is True
    w.serving_endpoints.put(churn, rate_limits=[])
    assert w.serving_endpoints.get(churn).ai_gateway.rate_limits == []
    with pytest.raises(errors.InvalidParameterValue, match="renewal_period"):
        w.api_client.do("PUT", f"{ROOT}/{churn}/rate-limits", body={"rate_limits": [{"calls": 1, "renewal_period": "hour"}]})


def test_the_gateway_is_replaced_as_a_whole(w: Any, churn: str) -> None:
    w.groups.create(display_name="analysts")
    limit = serving.AiGatewayRateLimit(
        calls=10, key=serving.AiGatewayRateLimitKey.USER_GROUP, principal="analysts", renewal_period=GATEWAY_MINUTE
    )
    assert w.serving_endpoints.put_ai_gateway(churn, rate_limits=[limit]).rate_limits == [limit]
    w.serving_endpoints.put_ai_gateway(churn, usage_tracking_config=serving.AiGatewayUsageTrackingConfig(enabled=False))
    gateway = w.serving_endpoints.get(churn).ai_gateway
    assert gateway == serving.AiGatewayConfig(
        rate_limits=[], usage_tracking_config=serving.AiGatewayUsageTrackingConfig(enabled=False)
    )
    assert w.serving_endpoints.get(churn).config.config_version == 1


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("USER", r"Principal: UserName\(nobody\) does not exist"),
        ("USER_GROUP", r"Principal: GroupName\(nobody\) does not exist"),
        ("SERVICE_PRINCIPAL", r"Principal: ServicePrincipalName\(nobody\) does not exist"),
    ],
)
def test_a_limit_is_for_somebody_who_is_there(w: Any, churn: str, key: str, sentence: str) -> None:
    limit = serving.AiGatewayRateLimit(
        calls=1, key=serving.AiGatewayRateLimitKey[key], principal="nobody", renewal_period=GATEWAY_MINUTE
    )
    with pytest.raises(errors.ResourceDoesNotExist, match=sentence):
        w.serving_endpoints.put_ai_gateway(churn, rate_limits=[limit])


def test_an_endpoint_has_at_most_twenty_limits_and_five_for_groups(w: Any, churn: str) -> None:
    endpoint = serving.AiGatewayRateLimit(calls=1, renewal_period=GATEWAY_MINUTE)
    group = serving.AiGatewayRateLimit(
        calls=1, key=serving.AiGatewayRateLimitKey.USER_GROUP, principal="users", renewal_period=GATEWAY_MINUTE
    )
    with pytest.raises(errors.InvalidParameterValue, match="rate_limits"):
        w.serving_endpoints.put_ai_gateway(churn, rate_limits=[endpoint] * 21)
    with pytest.raises(errors.InvalidParameterValue, match="at most 5 limits for groups; these are 6"):
        w.serving_endpoints.put_ai_gateway(churn, rate_limits=[group] * 6)


@pytest.mark.parametrize(
    ("gateway", "sentence"),
    [
        ({"guardrails": {"input": {"safety": True}}}, "ai_gateway.guardrails is not supported for custom models"),
        ({"fallback_config": {"enabled": True}}, "ai_gateway.fallback_config is not supported for custom models"),
        ({"rate_limits": [{"tokens": 9, "renewal_period": "minute"}]}, "limits in tokens are for language models"),
        ({"rate_limits": [{"renewal_period": "minute"}]}, "needs calls or tokens"),
        ({"rate_limits": [{"calls": 1}]}, "rate_limits[0].renewal_period: This field is required."),
        ({"rate_limits": [{"calls": -1, "renewal_period": "minute"}]}, "rate_limits[0].calls"),
        ({"rate_limits": [{"calls": 1, "key": "user_group", "renewal_period": "minute"}]}, "needs principal"),
        ({"rate_limits": [{"calls": 1, "key": "planet", "renewal_period": "minute"}]}, '"planet" is not valid'),
        ({"usage_tracking_config": {}}, "usage_tracking_config.enabled"),
        ({"inference_table_config": {"catalog_name": "a.b"}}, "inference_table_config.catalog_name"),
    ],
)
def test_a_wrong_gateway(w: Any, churn: str, gateway: dict[str, Any], sentence: str) -> None:
    with pytest.raises(errors.InvalidParameterValue) as refusal:
        w.api_client.do("PUT", f"{ROOT}/{churn}/ai-gateway", body=gateway)
    assert sentence in refusal.value.args[0]
    assert w.serving_endpoints.get(churn).ai_gateway is None


def test_external_models_have_no_telemetry_and_no_optimized_route(w: Any) -> None:
    model = serving.ExternalModel(
        provider=serving.ExternalModelProvider.OPENAI,
        name="gpt-4o-mini",
        task="llm/v1/chat",
        openai_config=serving.OpenAiConfig(openai_api_key_plaintext="sk-pasted"),
    )
    chat = serving.EndpointCoreConfigInput(name="chat", served_entities=[serving.ServedEntityInput(external_model=model)])
    telemetry = serving.TelemetryConfig(telemetry_profile_id="p")
    with pytest.raises(errors.InvalidParameterValue, match="route_optimized is for custom models"):
        w.serving_endpoints.create(name="chat", config=chat, route_optimized=True)
    created = w.serving_endpoints.create(name="chat", config=chat, telemetry_config=telemetry).response
    assert created.telemetry_config is None
    with pytest.raises(errors.InvalidParameterValue, match="not supported for endpoint type 'EXTERNAL_MODELS'"):
        w.serving_endpoints.patch_telemetry_config("chat", telemetry_config=telemetry)
