"""Would databricks-sdk notice the difference? Everything of serving endpoints that needs no replica."""

from datetime import timedelta
from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import serving

from tests.contract.serving.endpoints import activate, config, entity

ENTITY = entity(scale_to_zero_enabled=True)


def test_it_works(w: Any) -> None:
    created = w.serving_endpoints.create(name="churn", config=config(1, 2, churn_1=80, churn_2=20)).response

    assert isinstance(created, serving.ServingEndpointDetailed)
    assert (created.name, created.creator) == ("churn", "ada@example.org")
    assert created.state == serving.EndpointState(
        ready=serving.EndpointStateReady.NOT_READY, config_update=serving.EndpointStateConfigUpdate.IN_PROGRESS
    )
    assert created.config is None
    assert created.pending_config is not None
    assert [e.name for e in created.pending_config.served_entities] == ["churn-1", "churn-2"]

    activate("churn")
    got = w.serving_endpoints.get("churn")
    assert got.state == serving.EndpointState(
        ready=serving.EndpointStateReady.READY, config_update=serving.EndpointStateConfigUpdate.NOT_UPDATING
    )
    assert got.permission_level == serving.ServingEndpointDetailedPermissionLevel.CAN_MANAGE
    assert got.pending_config is None
    assert got.config.config_version == 1
    assert [(e.entity_name, e.entity_version, e.workload_size) for e in got.config.served_entities] == [
        ("main.default.churn", "1", "Small"),
        ("main.default.churn", "2", "Small"),
    ]
    assert got.config.served_entities[0].workload_type == serving.ServingModelWorkloadType.CPU
    assert got.config.served_entities[0].state.deployment == serving.ServedModelStateDeployment.DEPLOYMENT_READY
    assert [(m.model_name, m.model_version) for m in got.config.served_models] == [
        ("main.default.churn", "1"),
        ("main.default.churn", "2"),
    ]
    assert [(r.served_entity_name, r.served_model_name, r.traffic_percentage) for r in got.config.traffic_config.routes] == [
        ("churn-1", "churn-1", 80),
        ("churn-2", "churn-2", 20),
    ]
    assert got.last_updated_timestamp >= got.creation_timestamp > 1_700_000_000_000


def test_served_models_and_a_split_by_served_model_name(w: Any) -> None:
    """The Academy notebook's form: deprecated names, percentages as text."""
    body = {
        "name": "ml_model",
        "config": {
            "served_models": [
                {
                    "model_name": "dbacademy.ada.ml_model",
                    "model_version": v,
                    "workload_size": "Small",
                    "scale_to_zero_enabled": True,
                }
                for v in ("1", "2")
            ],
            "traffic_config": {
                "routes": [
                    {"served_model_name": "ml_model-1", "traffic_percentage": "90"},
                    {"served_model_name": "ml_model-2", "traffic_percentage": "10"},
                ]
            },
            "auto_capture_config": {
                "catalog_name": "dbacademy",
                "schema_name": "ada",
                "table_name_prefix": "ml_model",
            },
        },
    }
    from sandbox.workspaces.models import Workspace
    from tests.browser.endpoint_rows import register_model

    w.catalogs.create(name="dbacademy")
    w.schemas.create(name="ada", catalog_name="dbacademy")
    register_model(Workspace.objects.get(owner__username="ada"), "dbacademy.ada.ml_model", 2)
    w.api_client.do("POST", "/api/2.0/serving-endpoints", body=body)
    activate("ml_model")
    got = w.serving_endpoints.get("ml_model")
    assert [(r.served_model_name, r.traffic_percentage) for r in got.config.traffic_config.routes] == [
        ("ml_model-1", 90),
        ("ml_model-2", 10),
    ]
    assert got.config.auto_capture_config.state.payload_table.name == "ml_model_payload"


def test_a_duplicate_name(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    with pytest.raises(errors.ResourceAlreadyExists) as refusal:
        w.serving_endpoints.create(name="churn", config=config(1))
    assert refusal.value.args[0] == "Serving endpoint with name churn already exists."
    assert refusal.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_a_missing_name(w: Any) -> None:
    for call in (
        lambda: w.serving_endpoints.get("nothing"),
        lambda: w.serving_endpoints.delete("nothing"),
        lambda: w.serving_endpoints.update_config("nothing", served_entities=[ENTITY]),
        lambda: w.serving_endpoints.build_logs("nothing", "x"),
        lambda: w.serving_endpoints.patch("nothing", delete_tags=["a"]),
    ):
        with pytest.raises(errors.ResourceDoesNotExist) as refusal:
            call()
        assert refusal.value.args[0] == "Serving endpoint with name nothing not found."


@pytest.mark.parametrize(("username", "role"), [("eve", "learner"), ("grace", "instructor")])
def test_somebody_elses_is_as_good_as_missing(w: Any, client_of: Any, username: str, role: str) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    other = client_of(username, role)
    with pytest.raises(errors.ResourceDoesNotExist) as refusal:
        other.serving_endpoints.get("churn")
    assert refusal.value.args[0] == "Serving endpoint with name churn not found."
    with pytest.raises(errors.ResourceDoesNotExist):
        other.serving_endpoints.delete("churn")
    assert list(other.serving_endpoints.list()) == []
    assert [e.name for e in w.serving_endpoints.list()] == ["churn"]


@pytest.mark.parametrize(
    ("percentages", "sentence"),
    [
        ({"churn_1": 80, "churn_2": 30}, "must add up to 100. They add up to 110."),
        ({"churn_1": 80}, "must add up to 100. They add up to 80."),
        ({"churn_1": 80, "churn_9": 20}, "a route to 'churn-9', which this config does not serve"),
        ({}, "traffic_config is required when an endpoint serves more than one entity."),
    ],
)
def test_a_wrong_split(w: Any, percentages: dict[str, int], sentence: str) -> None:
    with pytest.raises(errors.InvalidParameterValue) as refusal:
        w.serving_endpoints.create(name="churn", config=config(1, 2, **percentages))
    assert sentence in refusal.value.args[0]
    with pytest.raises(errors.ResourceDoesNotExist):
        w.serving_endpoints.get("churn")


@pytest.mark.parametrize("name", ["databricks-mine", "with space", "x" * 64])
def test_a_wrong_name(w: Any, name: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="is not a valid endpoint name"):
        w.serving_endpoints.create(name=name, config=config(1))


def test_an_update_while_one_is_in_progress(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    with pytest.raises(errors.ResourceConflict, match="Endpoint churn is currently updating"):
        w.serving_endpoints.update_config("churn", served_entities=[ENTITY])
    activate("churn")
    updated = w.serving_endpoints.update_config("churn", served_entities=[ENTITY]).response
    assert (updated.config.config_version, updated.pending_config.config_version) == (1, 2)
    assert updated.pending_config.start_time > 1_700_000_000_000
    assert updated.state.ready == serving.EndpointStateReady.READY


def test_the_waiter_raises_when_the_model_cannot_be_built(w: Any) -> None:
    from sandbox.serving import rollout
    from sandbox.serving.models import Endpoint, ModelBuild, ServedEntity

    waiter = w.serving_endpoints.create(name="churn", config=config(1))
    endpoint = Endpoint.objects.get()
    failed = ModelBuild.objects.create(
        workspace=endpoint.workspace,
        entity_name="main.default.churn",
        entity_version="1",
        source="m",
        status="failed",
        message="The model cannot be converted: LSTM is not supported.",
        log="step 1\nstep 2",
    )
    ServedEntity.objects.update(build=failed)
    rollout.reconcile(endpoint.id)

    with pytest.raises(errors.OperationFailed, match="UPDATE_FAILED"):
        waiter.result(timeout=timedelta(seconds=90))
    got = w.serving_endpoints.get("churn")
    failed_entity = got.pending_config.served_entities[0]
    assert failed_entity.state.deployment == serving.ServedModelStateDeployment.DEPLOYMENT_FAILED
    assert failed_entity.state.deployment_state_message == "The model cannot be converted: LSTM is not supported."
    assert w.serving_endpoints.build_logs("churn", "churn-1").logs == "step 1\nstep 2"
    assert "DEPLOYMENT_FAILED The model cannot be converted" in w.serving_endpoints.logs("churn", "churn-1").logs


def test_the_waiter_returns_when_it_is_deleted_and_made_again(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    w.serving_endpoints.delete("churn")
    with pytest.raises(errors.ResourceDoesNotExist):
        w.serving_endpoints.get("churn")
    waiter = w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    assert waiter.result(timeout=timedelta(seconds=90)).state.ready == serving.EndpointStateReady.READY


def test_tags_and_ai_gateway(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1), tags=[serving.EndpointTag(key="a", value="1")])
    tags = w.serving_endpoints.patch("churn", add_tags=[serving.EndpointTag(key="b", value="2")], delete_tags=["a"])
    assert tags.tags == [serving.EndpointTag(key="b", value="2")]

    put = w.serving_endpoints.put_ai_gateway(
        "churn",
        usage_tracking_config=serving.AiGatewayUsageTrackingConfig(enabled=True),
        inference_table_config=serving.AiGatewayInferenceTableConfig(
            enabled=True, catalog_name="main", schema_name="default", table_name_prefix="c"
        ),
    )
    assert put.usage_tracking_config == serving.AiGatewayUsageTrackingConfig(enabled=True)
    assert w.serving_endpoints.get("churn").ai_gateway.inference_table_config.table_name_prefix == "c"
    assert w.serving_endpoints.put_ai_gateway("churn").usage_tracking_config is None
    assert w.serving_endpoints.get("churn").ai_gateway is None
    assert [e.config for e in w.serving_endpoints.list()] == [None]


def test_an_external_model_shows_its_reference_and_never_a_key(w: Any) -> None:
    w.secrets.create_scope("llm")
    w.secrets.put_secret("llm", "openai", string_value="sk-real")
    for name, openai in (
        ("by-reference", serving.OpenAiConfig(openai_api_key="{{secrets/llm/openai}}")),
        ("pasted", serving.OpenAiConfig(openai_api_key_plaintext="sk-pasted")),
    ):
        model = serving.ExternalModel(
            provider=serving.ExternalModelProvider.OPENAI, name="gpt-4o-mini", task="llm/v1/chat", openai_config=openai
        )
        chat = serving.ServedEntityInput(name="chat", external_model=model)
        w.serving_endpoints.create(name=name, config=serving.EndpointCoreConfigInput(name=name, served_entities=[chat]))
        activate(name)
        got = w.serving_endpoints.get(name)
        assert got.task == "llm/v1/chat"
        shown = got.config.served_entities[0].external_model
        assert (shown.provider, shown.name) == (serving.ExternalModelProvider.OPENAI, "gpt-4o-mini")
        raw = w.api_client.do("GET", f"/api/2.0/serving-endpoints/{name}")
        assert "sk-" not in str(raw)
    assert w.serving_endpoints.get("by-reference").config.served_entities[0].external_model.openai_config == serving.OpenAiConfig(
        openai_api_key="{{secrets/llm/openai}}"
    )


def test_provisioned_throughput_is_refused_with_a_sentence(w: Any) -> None:
    """`pt` is an address of its own there, and a name that an endpoint may have."""
    served = serving.PtServedModel(entity_name="system.ai.llama", entity_version="1", provisioned_model_units=50)
    asked = serving.PtEndpointCoreConfig(served_entities=[served])
    with pytest.raises(errors.NotFound, match="Provisioned throughput is not emulated"):
        w.serving_endpoints.create_provisioned_throughput_endpoint(name="large", config=asked)
    with pytest.raises(errors.NotFound, match="Provisioned throughput is not emulated"):
        w.serving_endpoints.update_provisioned_throughput_endpoint_config(name="large", config=asked)
    w.serving_endpoints.create(name="pt", config=config(1))
    assert w.serving_endpoints.get("pt").name == "pt"


def test_the_trailing_slash_of_mlflow_deployments(w: Any) -> None:
    body = {"name": "churn", "config": {"served_entities": [ENTITY.as_dict()]}}
    assert w.api_client.do("POST", "/api/2.0/serving-endpoints/", body=body)["name"] == "churn"
    assert [e["name"] for e in w.api_client.do("GET", "/api/2.0/serving-endpoints/")["endpoints"]] == ["churn"]
