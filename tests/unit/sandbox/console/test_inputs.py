"""The create form: from fields to the body of the REST API."""

from typing import Any

import pytest
from django.http import QueryDict

from sandbox.console.create_views import _row_count, _with_rows_changed, custom_config, external_config
from sandbox.console.inputs import ServedEntitiesInput
from sandbox.console.model_choices import version_choices
from sandbox.registry.mlflow_store import ModelVersion, RegisteredModel

VERSIONS = [("main.default.churn", [("main.default.churn@1", "version 1"), ("main.default.churn@2", "version 2")])]


def rows(*given: dict[str, str]) -> dict[str, str]:
    data = {"e-TOTAL_FORMS": str(len(given)), "e-INITIAL_FORMS": "0"}
    for position, row in enumerate(given):
        data |= {f"e-{position}-{name}": value for name, value in {"workload_size": "Small", **row}.items()}
    return data


def entities(*given: dict[str, str]) -> Any:
    return ServedEntitiesInput(rows(*given), prefix="e", form_kwargs={"versions": VERSIONS})


def test_two_versions_become_entities_and_routes() -> None:
    typed = entities(
        {"model": "main.default.churn@1", "traffic_percentage": "80", "scale_to_zero_enabled": "on"},
        {"model": "main.default.churn@2", "traffic_percentage": "20", "name": "challenger", "workload_size": "Large"},
    )
    assert typed.is_valid(), typed.errors
    assert custom_config(typed) == {
        "served_entities": [
            {
                "name": "churn-1",
                "entity_name": "main.default.churn",
                "entity_version": "1",
                "workload_size": "Small",
                "scale_to_zero_enabled": True,
            },
            {
                "name": "challenger",
                "entity_name": "main.default.churn",
                "entity_version": "2",
                "workload_size": "Large",
                "scale_to_zero_enabled": False,
            },
        ],
        "traffic_config": {
            "routes": [
                {"served_entity_name": "churn-1", "traffic_percentage": 80},
                {"served_entity_name": "challenger", "traffic_percentage": 20},
            ]
        },
    }


@pytest.mark.parametrize(("shares", "total"), [(("80", "30"), 110), (("0", "0"), 0), (("100", "1"), 101)])
def test_shares_that_do_not_add_up_are_refused(shares: tuple[str, str], total: int) -> None:
    typed = entities(*({"model": "main.default.churn@1", "traffic_percentage": share} for share in shares))
    assert not typed.is_valid()
    assert f"adds up to {total} %" in typed.non_form_errors()[0]


@pytest.mark.parametrize("share", ["-1", "101", "ten", ""])
def test_a_share_is_a_whole_number_up_to_100(share: str) -> None:
    typed = entities({"model": "main.default.churn@1", "traffic_percentage": share})
    assert not typed.is_valid()
    assert list(typed.forms[0].errors) == ["traffic_percentage"]


def test_a_version_of_another_workspace_cannot_be_chosen() -> None:
    typed = entities({"model": "main.default.theirs@1", "traffic_percentage": "100"})
    assert not typed.is_valid()
    assert list(typed.forms[0].errors) == ["model"]


def test_an_external_model_takes_a_key_or_a_secret() -> None:
    typed = {"task": "llm/v1/chat", "model": "gpt-4o-mini", "served_name": "", "api_key_plaintext": "sk-1", "api_key": ""}
    external = {"provider": "openai", "name": "gpt-4o-mini", "task": "llm/v1/chat"}
    with_key = {"external_model": {**external, "openai_config": {"openai_api_key_plaintext": "sk-1"}}}
    assert external_config(typed) == {"served_entities": [with_key]}
    typed |= {"api_key_plaintext": "", "api_key": "{{secrets/openai/key}}", "served_name": "chat"}
    with_secret = {"external_model": {**external, "openai_config": {"openai_api_key": "{{secrets/openai/key}}"}}, "name": "chat"}
    assert external_config(typed) == {"served_entities": [with_secret]}


def form(**fields: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update({name.replace("__", "-"): value for name, value in fields.items()})
    return data


def test_a_removed_row_leaves_the_others_in_order() -> None:
    names = {f"entities__{position}__name": name for position, name in enumerate("abc")}
    data = form(entities__TOTAL_FORMS="3", entities__1__scale_to_zero_enabled="on", **names)
    changed = _with_rows_changed(data, "remove:0")
    assert (changed["entities-TOTAL_FORMS"], changed["entities-0-name"], changed["entities-1-name"]) == ("2", "b", "c")
    assert changed["entities-0-scale_to_zero_enabled"] == "on"
    assert "entities-1-scale_to_zero_enabled" not in changed
    assert "entities-2-name" not in changed


@pytest.mark.parametrize("change", ["remove:0", "remove:7", "remove:x", "add", "nonsense"])
def test_rows_stay_between_one_and_ten(change: str) -> None:
    for count in ("1", "10"):
        changed = _with_rows_changed(form(entities__TOTAL_FORMS=count), change)
        assert 1 <= _row_count(changed) <= 10


@pytest.mark.parametrize(("given", "wanted"), [("3", 3), ("9999999", 10), ("-1", 1), ("x", 1), ("²", 1)])
def test_a_forged_row_count_is_harmless(given: str, wanted: int) -> None:
    assert _row_count(form(entities__TOTAL_FORMS=given)) == wanted


def test_choices_name_aliases_and_leave_out_empty_models() -> None:
    version = ModelVersion("main.default.churn", "2", "READY", "", "", "", 0, aliases=("challenger",))
    models = [
        RegisteredModel("main.default.churn", "", 0, versions=(version,)),
        RegisteredModel("main.default.empty", "", 0),
    ]
    assert version_choices(models) == [
        ("main.default.churn", [("main.default.churn@2", "main.default.churn, version 2 (challenger)")])
    ]
