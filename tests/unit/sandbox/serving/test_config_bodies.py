"""Bodies of create and update: what is accepted, with which defaults, and which sentence refuses the rest."""

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from sandbox.errors import ApiError, rest_exception_handler
from sandbox.serving.inputs import ConfigInput
from sandbox.serving.serializers import read_config, read_endpoint

ENTITY = {"entity_name": "main.default.churn", "entity_version": "3", "workload_size": "Small", "scale_to_zero_enabled": True}


def refusal(data: dict[str, Any], read: Any = read_config) -> str:
    with pytest.raises((ApiError, ValidationError)) as caught:
        read(data)
    response = rest_exception_handler(caught.value, {})
    assert response is not None
    assert (response.status_code, response.data["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    return str(response.data["message"])


def config(**changes: Any) -> ConfigInput:
    return read_config({"served_entities": [{**ENTITY, **changes}]})


def test_it_works() -> None:
    asked = config()
    assert [e.name for e in asked.entities] == ["churn-3"]
    assert asked.routes == ({"served_entity_name": "churn-3", "traffic_percentage": 100},)
    entity = asked.entities[0]
    assert (entity.entity_name, entity.entity_version, entity.workload_size) == ("main.default.churn", "3", "Small")
    assert (entity.workload_type, entity.scale_to_zero_enabled) == ("CPU", True)
    assert asked.kind == "custom"


def test_served_models_are_the_same_thing() -> None:
    old = read_config(
        {
            "served_models": [
                {
                    "model_name": "main.default.churn",
                    "model_version": "3",
                    "workload_size": "Small",
                    "scale_to_zero_enabled": True,
                }
            ]
        }
    )
    assert old == config()


def test_a_version_may_be_a_number_and_a_percentage_text() -> None:
    asked = read_config(
        {
            "served_entities": [{**ENTITY, "entity_version": 3}, {**ENTITY, "entity_version": 4}],
            "traffic_config": {
                "routes": [
                    {"served_model_name": "churn-3", "traffic_percentage": "90"},
                    {"served_entity_name": "churn-4", "traffic_percentage": 10},
                ]
            },
        }
    )
    assert [r["traffic_percentage"] for r in asked.routes] == [90, 10]


@pytest.mark.parametrize(
    ("name", "default"),
    [("cat.sch.ml_model", "ml_model-3"), ("churn", "churn-3"), ("my model", "my-model-3"), ("c.s.a:b", "a-b-3")],
)
def test_the_default_name_is_leaf_and_version(name: str, default: str) -> None:
    assert config(entity_name=name).entities[0].name == default


def test_unknown_fields_and_nulls_are_ignored() -> None:
    asked = config(entity_version="3", name=None, environment_vars=None, something_new={"a": 1})
    assert asked == config()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"entity_name": "models:/main.default.churn/3"},
            "is an MLflow URI. Give the model's registered name, such as 'main.default.churn'",
        ),
        ({"entity_name": "models:/main.default.churn@Champion"}, "such as 'main.default.churn'"),
        ({"entity_name": None}, "needs entity_name"),
        ({"entity_name": "churn", "entity_version": None}, "entity_version is required for the model 'churn'."),
        ({"entity_version": "Champion"}, "entity_version 'Champion' is not a version number."),
        (
            {"entity_name": "main.default.churn@champion", "entity_version": None},
            "Give the name 'main.default.churn', and the version that 'champion' stands for in entity_version.",
        ),
        ({"workload_size": "Tiny"}, 'served_entities[0].workload_size: "Tiny" is not valid. Use Small, Medium, Large.'),
        ({"workload_type": "TPU"}, 'workload_type: "TPU" is not valid. Use CPU, CPU_MEDIUM'),
        ({"name": "a b"}, "The served entity name 'a b' is not valid"),
        (
            {"min_provisioned_concurrency": 4, "max_provisioned_concurrency": 8},
            "workload_size excludes min_provisioned_concurrency",
        ),
        ({"workload_size": None, "min_provisioned_concurrency": 4}, "together"),
        (
            {"workload_size": None, "min_provisioned_concurrency": 6, "max_provisioned_concurrency": 8},
            "must be a multiple of 4, not 6",
        ),
        ({"workload_size": None, "min_provisioned_concurrency": 8, "max_provisioned_concurrency": 4}, "at least 8 here, not 4"),
        ({"environment_vars": {f"V{i}": "x" for i in range(31)}}, "at most 30 entries; there are 31"),
    ],
)
def test_what_is_wrong_with_an_entity_is_said(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal({"served_entities": [{**ENTITY, **changes}]})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "A config needs at least one served entity"),
        ({"served_entities": []}, "A config needs at least one served entity"),
        ({"served_entities": [ENTITY] * 2}, "Two served entities are called 'churn-3'."),
        (
            {"served_entities": [{**ENTITY, "entity_version": str(i)} for i in range(11)]},
            "at most 10 entities; this config has 11",
        ),
        ({"served_entities": [ENTITY], "served_models": [{"model_name": "a", "model_version": "1"}]}, "not both"),
        (
            {
                "served_entities": [ENTITY],
                "traffic_config": {"routes": [{"served_entity_name": "churn-3", "traffic_percentage": 101}]},
            },
            "traffic_config.routes[0].traffic_percentage: It must be a whole number from 0 to 100.",
        ),
        (
            {
                "served_entities": [ENTITY],
                "traffic_config": {"routes": [{"served_entity_name": "churn-3", "traffic_percentage": 99.5}]},
            },
            "traffic_config.routes[0].traffic_percentage: It must be a whole number from 0 to 100.",
        ),
        (
            {"served_entities": [ENTITY], "traffic_config": {"routes": [{"traffic_percentage": 100}]}},
            "A route names one served entity",
        ),
    ],
)
def test_what_is_wrong_with_a_config_is_said(body: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(body)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "name: "),
        ("a b", "'a b' is not a valid endpoint name"),
        ("schön", "is not a valid endpoint name"),
        ("x" * 64, "is not a valid endpoint name"),
        ("databricks-mine", "the prefix 'databricks-' is reserved"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name: str, sentence: str) -> None:
    assert sentence in refusal({"name": name, "config": {"served_entities": [ENTITY]}}, read_endpoint)


def test_a_body_that_is_no_object_is_refused() -> None:
    assert refusal([1, 2]) == "The body must be a JSON object."  # type: ignore[arg-type]
    assert "config: " in refusal({"name": "a"}, read_endpoint)


OPENAI = {
    "provider": "openai",
    "name": "gpt-4o-mini",
    "task": "llm/v1/chat",
    "openai_config": {"openai_api_key": "{{secrets/llm/k}}"},
}


def test_an_external_model_is_read() -> None:
    asked = read_config({"served_entities": [{"external_model": OPENAI}]})
    entity = asked.entities[0]
    assert (entity.name, asked.kind, asked.task) == ("gpt-4o-mini", "external", "llm/v1/chat")
    assert entity.external_model == OPENAI
    assert entity.plain_secrets == {}


def test_a_pasted_key_is_kept_apart() -> None:
    pasted = {**OPENAI, "name": "gpt-4.1:mini", "openai_config": {"openai_api_key_plaintext": "sk-secret"}}
    entity = read_config({"served_entities": [{"external_model": pasted}]}).entities[0]
    assert entity.name == "gpt-4-1-mini"
    assert entity.plain_secrets == {"openai_api_key": "sk-secret"}
    assert entity.external_model["openai_config"] == {}
    assert "sk-secret" not in repr(entity)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({**OPENAI, "provider": "acme"}, "external_model.provider 'acme' is not known. Known are: ai21labs, amazon-bedrock"),
        ({**OPENAI, "task": "llm/v2/chat"}, "external_model.task must be one of llm/v1/chat"),
        ({**OPENAI, "name": ""}, "external_model.name is required"),
        ({**OPENAI, "openai_config": None}, "external_model.openai_config is required for the provider 'openai'."),
        (
            {**OPENAI, "openai_config": {}},
            "exactly one of openai_api_key (a secret reference) and openai_api_key_plaintext; neither is given",
        ),
        ({**OPENAI, "openai_config": {"openai_api_key": "a", "openai_api_key_plaintext": "b"}}, "both are given"),
        (
            {**OPENAI, "cohere_config": {"cohere_api_key": "x"}},
            "external_model has cohere_config, but openai uses openai_config.",
        ),
        (
            {"provider": "anthropic", "name": "c", "task": "llm/v1/chat", "anthropic_config": {}},
            "exactly one of anthropic_api_key",
        ),
        (
            {"provider": "anthropic", "name": "c", "task": "llm/v1/chat", "anthropic_config": {"anthropic_api_key": "k"}},
            "The config of provider 'anthropic' is valid, but this sandbox can call only: openai.",
        ),
    ],
)
def test_what_is_wrong_with_an_external_model_is_said(model: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal({"served_entities": [{"external_model": model}]})


def test_external_and_custom_do_not_mix() -> None:
    assert "custom models or external models, not both" in refusal({"served_entities": [ENTITY, {"external_model": OPENAI}]})
    assert "external_model and workload_size exclude each other" in refusal(
        {"served_entities": [{"external_model": OPENAI, "workload_size": "Small"}]}
    )
    embeddings = {**OPENAI, "name": "e", "task": "llm/v1/embeddings"}
    assert "have the same task; these have llm/v1/chat, llm/v1/embeddings" in refusal(
        {"served_entities": [{"external_model": OPENAI}, {"external_model": embeddings}]}
    )
