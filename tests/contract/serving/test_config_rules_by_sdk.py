"""What create and update_config take and refuse, and the quotas (serving_semantics A2 to A4)."""

from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import serving

from tests.contract.serving.endpoints import activate, config, entity

ROOT = "/api/2.0/serving-endpoints"


def create(w: Any, *entities: Any, name: str = "churn", **body: Any) -> Any:
    """By plain HTTP, so that also what the SDK has no field for can be sent."""
    given = [each.as_dict() if hasattr(each, "as_dict") else each for each in entities]
    return w.api_client.do("POST", ROOT, body={"name": name, "config": {"served_entities": given}, **body})


def test_sizes_types_and_variables_are_echoed(w: Any) -> None:
    w.secrets.create_scope("s")
    w.secrets.put_secret("s", "k", string_value="v")
    variables = {"PLAIN": "1", "SECRET": "{{secrets/s/k}}"}
    w.serving_endpoints.create(
        name="churn",
        config=serving.EndpointCoreConfigInput(
            name="churn",
            served_entities=[
                entity(
                    1,
                    workload_size="Medium",
                    workload_type=serving.ServingModelWorkloadType.GPU_SMALL,
                    scale_to_zero_enabled=True,
                    environment_vars=variables,
                    instance_profile_arn="arn:aws:iam::1:instance-profile/p",
                ),
                entity(2, min_provisioned_concurrency=4, max_provisioned_concurrency=12, name="fixed"),
            ],
            traffic_config=serving.TrafficConfig(
                routes=[
                    serving.Route(served_entity_name="churn-1", traffic_percentage=100),
                    serving.Route(served_entity_name="fixed", traffic_percentage=0),
                ]
            ),
        ),
    )
    first, second = w.serving_endpoints.get("churn").pending_config.served_entities
    assert (first.workload_size, first.workload_type, first.scale_to_zero_enabled) == (
        "Medium",
        serving.ServingModelWorkloadType.GPU_SMALL,
        True,
    )
    assert (first.environment_vars, first.instance_profile_arn) == (variables, "arn:aws:iam::1:instance-profile/p")
    assert (second.min_provisioned_concurrency, second.max_provisioned_concurrency, second.workload_size) == (4, 12, None)
    assert second.scale_to_zero_enabled is False


def test_an_mlflow_uri_of_nothing_but_a_name_is_the_name(w: Any) -> None:
    create(w, {**entity().as_dict(), "entity_name": "models:/main.default.churn"})
    shown = w.serving_endpoints.get("churn").pending_config.served_entities[0]
    assert (shown.entity_name, shown.entity_version, shown.name) == ("main.default.churn", "1", "churn-1")


@pytest.mark.parametrize("workload_type", [each.value for each in serving.ServingModelWorkloadType])
def test_every_workload_type_is_taken(w: Any, workload_type: str) -> None:
    shown = create(w, {**entity().as_dict(), "workload_type": workload_type})["pending_config"]["served_entities"][0]
    assert shown["workload_type"] == workload_type


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"entity_name": ""}, "entity_name"),
        ({"entity_name": "models:/churn/1"}, "is an MLflow URI"),
        ({"entity_name": "models:/main.default.churn@Champion"}, "such as 'main.default.churn'"),
        ({"entity_name": "models:/"}, "is an MLflow URI"),
        ({"entity_version": None}, "entity_version is required for the model 'main.default.churn'."),
        ({"entity_version": "Champion"}, "is not a version number. An alias is not followed"),
        ({"entity_version": "٣"}, "is not a version number"),
        ({"name": "with space"}, "The served entity name 'with space' is not valid"),
        ({"name": "x" * 201}, "served_entities[0].name"),
        ({"workload_size": "Huge"}, '"Huge" is not valid. Use Small, Medium, Large.'),
        ({"workload_type": "TPU"}, '"TPU" is not valid. Use CPU, CPU_MEDIUM'),
        (
            {"min_provisioned_concurrency": 4, "max_provisioned_concurrency": 8},
            "workload_size excludes min_",
        ),
        ({"workload_size": None, "min_provisioned_concurrency": 4}, "together"),
        ({"workload_size": None, "min_provisioned_concurrency": 3, "max_provisioned_concurrency": 8}, "multiple of 4, not 3"),
        ({"workload_size": None, "min_provisioned_concurrency": 8, "max_provisioned_concurrency": 4}, "must be at least 8 here"),
        (
            {"workload_size": None, "min_provisioned_concurrency": 0, "max_provisioned_concurrency": 4},
            "needs scale_to_zero",
        ),
        ({"workload_size": None, "min_provisioned_concurrency": 4, "max_provisioned_concurrency": 1028}, "at most 1024"),
        ({"environment_vars": {f"V{i}": "" for i in range(31)}}, "at most 30 entries; there are 31"),
        ({"environment_vars": {"1A": ""}}, "environment_vars: '1A' is not a valid name"),
        ({"environment_vars": {"A": "{{secrets/s}}"}}, "environment_vars.A: '{{secrets/s}}' is not a secret reference"),
        ({"environment_vars": {"A": "{{secrets/s/k}}"}}, "environment_vars.A refers to {{secrets/s/k}}. Scope s does not exist!"),
        ({"external_model": {"provider": "openai"}}, "external_model and entity_name exclude each other"),
        ({"instance_profile_arn": "a" * 201}, "instance_profile_arn"),
    ],
)
def test_a_wrong_entity(w: Any, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(errors.InvalidParameterValue) as refusal:
        create(w, {**entity().as_dict(), **fields})
    assert sentence in refusal.value.args[0]
    assert list(w.serving_endpoints.list()) == []


def test_names_are_unique_and_kinds_are_not_mixed(w: Any) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="Two served entities are called 'same'"):
        create(w, entity(1, name="same"), entity(2, name="same"))
    external = {"external_model": {"provider": "openai", "name": "g", "task": "llm/v1/chat",
                                   "openai_config": {"openai_api_key_plaintext": "k"}}}  # fmt: skip
    with pytest.raises(errors.InvalidParameterValue, match="serves custom models or external models, not both"):
        create(w, entity(1), external)
    with pytest.raises(errors.InvalidParameterValue, match="Give served_entities or the deprecated served_models, not both"):
        w.api_client.do("POST", ROOT, body={"name": "x", "config": {
            "served_entities": [entity().as_dict()], "served_models": [{"model_name": "m", "model_version": "1"}]}})  # fmt: skip
    with pytest.raises(errors.InvalidParameterValue, match="needs at least one served entity"):
        create(w)


def test_ten_entities_are_the_most(w: Any) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="at most 10 entities; this config has 11"):
        w.serving_endpoints.create(name="churn", config=config(*range(1, 12)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "name: This field may not be blank."),
        ({"name": "a.b"}, "'a.b' is not a valid endpoint name"),
        ({"name": "databricks-x"}, "the prefix 'databricks-' is reserved"),
        ({"description": "x" * 4097}, "description"),
        ({"tags": [{"value": "1"}]}, "tags[0].key: This field is required."),
        ({"tags": [{"key": "a"}, {"key": "a"}]}, "The tag key 'a' is given more than once"),
        ({"email_notifications": {"on_update_failure": ["nobody"]}}, "It must be an e-mail address"),
        ({"rate_limits": [{"calls": 1}]}, "rate_limits[0].renewal_period"),
        ({"ai_gateway": {"rate_limits": [{"calls": 1, "renewal_period": "minute"}]},
          "rate_limits": [{"calls": 1, "renewal_period": "minute"}]}, "or the deprecated rate_limits, not both"),
        ({"telemetry_config": {"enabled_telemetry_features": ["X"]}}, "telemetry_config.enabled_telemetry_features"),
        ({"telemetry_config": {"telemetry_profile_id": "p", "table_names": {"logs_table": "a.b.c"}}}, "not both"),
        ({"telemetry_config": {"inference_table_config": {"sampling_fraction": 1.5}}}, "sampling_fraction"),
        ({"config": {"served_entities": "x"}}, "config.served_entities"),
        ({"config": None}, "config: This field may not be null."),
    ],
)  # fmt: skip
def test_a_wrong_endpoint(w: Any, fields: dict[str, Any], sentence: str) -> None:
    body = {"name": "churn", "config": {"served_entities": [entity().as_dict()]}, **fields}
    with pytest.raises(errors.InvalidParameterValue) as refusal:
        w.api_client.do("POST", ROOT, body=body)
    assert sentence in refusal.value.args[0]


@pytest.mark.parametrize("text", ['"\\ud800"', '"a\\u0000b"', "[" * 5000, "NaN"])
def test_text_that_nothing_can_hold(w: Any, site: str, text: str) -> None:
    import httpx

    body = f'{{"name": "churn", "description": {text}, "config": {{}}}}'
    headers = {"Authorization": f"Bearer {w.config.token}"}
    answer = httpx.post(f"{site}{ROOT}", content=body.encode(), headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert answer.json()["message"].startswith("The body is not valid JSON: ")


def test_the_quota_of_endpoints(w: Any, settings: Any) -> None:
    settings.MAX_ENDPOINTS_PER_WORKSPACE = 2
    for name in ("one", "two"):
        w.serving_endpoints.create(name=name, config=config(1))
    with pytest.raises(errors.ResourceExhausted, match="at most 2 serving endpoints"):
        w.serving_endpoints.create(name="three", config=config(1))
    w.serving_endpoints.delete("one")
    w.serving_endpoints.create(name="three", config=config(1))


def test_the_quota_of_provisioned_concurrency(w: Any, settings: Any, client_of: Any) -> None:
    settings.MAX_CONCURRENCY_PER_WORKSPACE = 84
    w.serving_endpoints.create(name="large", config=serving.EndpointCoreConfigInput(
        name="large", served_entities=[entity(1, workload_size="Large")]))  # fmt: skip
    activate("large")
    w.serving_endpoints.create(name="medium", config=serving.EndpointCoreConfigInput(
        name="medium", served_entities=[entity(1, workload_size="Medium")]))  # fmt: skip
    activate("medium")
    with pytest.raises(errors.ResourceExhausted) as refusal:
        w.serving_endpoints.create(name="more", config=config(1, 2, churn_1=50, churn_2=50))
    assert refusal.value.args[0].startswith(
        "Workspace exceeded provisioned concurrency quota: 80 of 84 are in use by other endpoints, and this config may scale "
        "up to 8."
    )
    with pytest.raises(errors.ResourceExhausted, match="64 of 84 are in use"):
        w.serving_endpoints.update_config("medium", served_entities=[
            entity(2, min_provisioned_concurrency=4, max_provisioned_concurrency=24)])  # fmt: skip
    assert w.serving_endpoints.get("medium").state.config_update.value == "NOT_UPDATING"
    w.serving_endpoints.update_config("medium", served_entities=[entity(2, workload_size="Medium")])

    w.api_client.do("POST", f"{ROOT}/large/config:stop")  # a stopped endpoint does not count
    w.serving_endpoints.create(name="more", config=config(1, 2, churn_1=50, churn_2=50))
    activate("more")
    with pytest.raises(errors.ResourceExhausted, match="24 of 84 are in use"):
        w.api_client.do("POST", f"{ROOT}/large/config:start")
    client_of("eve").serving_endpoints.create(name="hers", config=config(1))
