"""The create and edit form: from fields to the body of the REST API, and back."""

from typing import Any

import pytest
from django.http import QueryDict

from sandbox.console.bodies import bound_forms, edit_forms, row_count, with_rows_changed
from sandbox.console.entity_inputs import ServedEntitiesInput, config_body, field_of
from sandbox.console.external_inputs import KEY_PLACE, ExternalModelsInput, external_config
from sandbox.console.inputs import CaptureInput
from sandbox.console.model_choices import version_choices, with_chosen
from sandbox.console.pairs import pairs_text, read_pairs
from sandbox.registry.store import ModelVersion, RegisteredModel

VERSIONS = [("main.default.churn", [("main.default.churn@1", "version 1"), ("main.default.churn@2", "version 2")])]


def rows(*given: dict[str, str]) -> dict[str, str]:
    data = {"e-TOTAL_FORMS": str(len(given)), "e-INITIAL_FORMS": "0"}
    for position, row in enumerate(given):
        data |= {
            f"e-{position}-{name}": value for name, value in {"workload_size": "Small", "workload_type": "CPU", **row}.items()
        }
    return data


def entities(*given: dict[str, str]) -> Any:
    return ServedEntitiesInput(rows(*given), prefix="e", form_kwargs={"versions": VERSIONS})


ALL = {"model": "main.default.churn@1", "traffic_percentage": "100"}


def test_two_versions_become_entities_and_routes() -> None:
    typed = entities(
        {"model": "main.default.churn@1", "traffic_percentage": "80", "scale_to_zero_enabled": "on"},
        {
            "model": "main.default.churn@2",
            "traffic_percentage": "20",
            "name": "challenger",
            "workload_size": "Large",
            "workload_type": "GPU_SMALL",
            "environment_vars": "MODE=fast\nKEY={{secrets/a/b}}",
        },
    )
    assert typed.is_valid(), typed.errors
    assert config_body(typed) == {
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
                "workload_type": "GPU_SMALL",
                "environment_vars": {"MODE": "fast", "KEY": "{{secrets/a/b}}"},
            },
        ],
        "traffic_config": {
            "routes": [
                {"served_entity_name": "churn-1", "traffic_percentage": 80},
                {"served_entity_name": "challenger", "traffic_percentage": 20},
            ]
        },
    }


def test_concurrency_in_numbers_goes_instead_of_a_size() -> None:
    numbers = {"workload_size": "range", "min_provisioned_concurrency": "4", "max_provisioned_concurrency": "12"}
    typed = entities(ALL | numbers)
    assert typed.is_valid(), typed.errors
    (entity,) = config_body(typed)["served_entities"]
    assert (entity["min_provisioned_concurrency"], entity["max_provisioned_concurrency"]) == (4, 12)
    assert "workload_size" not in entity


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"workload_size": "range", "min_provisioned_concurrency": "5", "max_provisioned_concurrency": "8"},
         "min_provisioned_concurrency", "must be a multiple of 4, not 5"),
        ({"workload_size": "range", "min_provisioned_concurrency": "8", "max_provisioned_concurrency": "4"},
         "max_provisioned_concurrency", "must be at least 8 here, not 4"),
        ({"workload_size": "range", "min_provisioned_concurrency": "0", "max_provisioned_concurrency": "4"},
         "min_provisioned_concurrency", "needs scale_to_zero_enabled"),
        ({"environment_vars": "1ST=x"}, "environment_vars", "is not a valid name"),
        ({"environment_vars": "KEY={{secrets/only}}"}, "environment_vars", "is not a secret reference"),
        ({"environment_vars": "MODE"}, "environment_vars", "Line 1 has no '='"),
        ({"environment_vars": "A=1\nA=2"}, "environment_vars", "Line 2 gives A a second time"),
        ({"name": "not a name"}, "name", "Use letters"),
    ],
)  # fmt: skip
def test_what_the_api_would_refuse_stands_at_its_field(typed: dict[str, str], field: str, sentence: str) -> None:
    form = entities(ALL | typed).forms[0]
    assert not form.is_valid()
    assert list(form.errors) == [field]
    assert sentence in form.errors[field][0]


def test_a_refusal_that_names_no_field_stands_at_the_version() -> None:
    assert field_of("Something else is wrong.") == "model"


def test_two_models_of_one_name_are_told_apart() -> None:
    typed = entities(ALL | {"traffic_percentage": "50"}, ALL | {"traffic_percentage": "50"})
    typed.is_valid()
    assert [list(form.errors) for form in typed.forms] == [["name"], ["name"]]


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


def externals(*given: dict[str, str]) -> Any:
    data = {"x-TOTAL_FORMS": str(len(given)), "x-INITIAL_FORMS": "0"}
    for position, row in enumerate(given):
        data |= {
            f"x-{position}-{name}": value for name, value in {"model": "gpt-4o-mini", "traffic_percentage": "100", **row}.items()
        }
    return ExternalModelsInput(data, prefix="x")


def test_an_external_model_takes_a_key_or_a_secret() -> None:
    external = {"provider": "openai", "name": "gpt-4o-mini", "task": "llm/v1/chat"}
    with_key = {"external_model": {**external, "openai_config": {"openai_api_key_plaintext": "sk-1"}}}
    assert external_config("llm/v1/chat", externals({"api_key_plaintext": "sk-1"})) == {"served_entities": [with_key]}
    typed = {"api_key": "{{secrets/openai/key}}", "served_name": "chat", "openai_api_base": "https://one.example/v1"}
    config = {"openai_api_key": "{{secrets/openai/key}}", "openai_api_base": "https://one.example/v1"}
    with_secret = {"external_model": {**external, "openai_config": config}, "name": "chat"}
    assert external_config("llm/v1/chat", externals(typed)) == {"served_entities": [with_secret]}


def test_several_external_models_share_the_traffic() -> None:
    typed = externals(
        {"api_key_plaintext": "sk-1", "traffic_percentage": "90"},
        {"api_key_plaintext": "sk-2", "traffic_percentage": "10", "model": "gpt-4.1"},
    )
    assert typed.is_valid(), typed.errors
    config = external_config("llm/v1/chat", typed)
    assert [entity["name"] for entity in config["served_entities"]] == ["gpt-4o-mini", "gpt-4-1"]
    assert [route["traffic_percentage"] for route in config["traffic_config"]["routes"]] == [90, 10]
    twice = externals(
        {"api_key_plaintext": "sk-1", "traffic_percentage": "90"}, {"api_key_plaintext": "a", "traffic_percentage": "9"}
    )
    assert not twice.is_valid()
    assert "adds up to 99 %" in twice.non_form_errors()[0]


def form(**fields: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update({name.replace("__", "-"): value for name, value in fields.items()})
    return data


def test_the_shown_body_has_a_place_for_the_key() -> None:
    data = form(name="chat", kind="external", external__0__model="gpt-4o-mini", external__task="llm/v1/chat", tags="a=b")
    data.update({"external-0-api_key_plaintext": "sk-very-secret", "external-TOTAL_FORMS": "1", "external-INITIAL_FORMS": "0"})
    typed = bound_forms(data, VERSIONS)
    typed.is_valid()
    shown = typed.body(show_key=False)
    key = shown["config"]["served_entities"][0]["external_model"]["openai_config"]
    assert key == {"openai_api_key_plaintext": KEY_PLACE}
    assert shown["tags"] == [{"key": "a", "value": "b"}]


def test_a_config_comes_back_as_it_was() -> None:
    entity = {
        "name": "champion",
        "entity_name": "main.default.churn",
        "entity_version": "2",
        "min_provisioned_concurrency": 4,
        "max_provisioned_concurrency": 8,
        "workload_type": "CPU_MEDIUM",
        "scale_to_zero_enabled": False,
        "environment_vars": {"MODE": "fast"},
        "instance_profile_arn": "arn:aws:iam::1:instance-profile/p",
    }
    routes = [{"served_entity_name": "champion", "traffic_percentage": 100}]
    config = {"served_entities": [entity], "traffic_config": {"routes": routes}}
    typed = edit_forms("custom", "", config, {"enabled": False}, VERSIONS)
    assert typed.config() == {**config, "auto_capture_config": {"enabled": False}}


def test_a_config_of_external_models_comes_back_as_it_was() -> None:
    def entity(name: str, **config: str) -> dict[str, Any]:
        key = {"openai_api_key": "{{secrets/openai/key}}", **config}
        return {
            "name": name,
            "external_model": {"provider": "openai", "name": "gpt-4o", "task": "llm/v1/completions", "openai_config": key},
        }

    entities = [entity("one", openai_api_base="https://one.example/v1"), entity("two", openai_organization="ours")]
    routes = [{"served_entity_name": "one", "traffic_percentage": 75}, {"served_entity_name": "two", "traffic_percentage": 25}]
    config = {"served_entities": entities, "traffic_config": {"routes": routes}}
    assert edit_forms("external", "llm/v1/completions", config, {}, VERSIONS).config() == config


@pytest.mark.parametrize(
    ("typed", "body"),
    [
        ({"enabled": "on", "catalog_name": "main", "schema_name": "default"}, {}),
        ({"catalog_name": "main", "schema_name": "default"}, {"enabled": False}),
        (
            {"enabled": "on", "catalog_name": "main", "schema_name": "ops", "table_name_prefix": "churn"},
            {"catalog_name": "main", "schema_name": "ops", "table_name_prefix": "churn", "enabled": True},
        ),
    ],
)
def test_where_calls_are_logged(typed: dict[str, str], body: dict[str, Any]) -> None:
    capture = CaptureInput(typed)
    assert capture.is_valid()
    assert capture.body() == body


def test_a_removed_row_leaves_the_others_in_order() -> None:
    names = {f"entities__{position}__name": name for position, name in enumerate("abc")}
    data = form(entities__TOTAL_FORMS="3", entities__1__scale_to_zero_enabled="on", **names)
    changed = with_rows_changed(data, "remove:0")
    assert (changed["entities-TOTAL_FORMS"], changed["entities-0-name"], changed["entities-1-name"]) == ("2", "b", "c")
    assert changed["entities-0-scale_to_zero_enabled"] == "on"
    assert "entities-1-scale_to_zero_enabled" not in changed
    assert "entities-2-name" not in changed


def test_the_first_row_takes_over_the_share_of_one_that_goes() -> None:
    shares = {f"entities__{position}__traffic_percentage": share for position, share in enumerate(("50", "30", "20"))}
    changed = with_rows_changed(form(entities__TOTAL_FORMS="3", **shares), "remove:1")
    assert [changed[f"entities-{position}-traffic_percentage"] for position in (0, 1)] == ["80", "20"]


@pytest.mark.parametrize("change", ["remove:0", "remove:7", "remove:x", "add", "nonsense"])
def test_rows_stay_between_one_and_ten(change: str) -> None:
    for count in ("1", "10"):
        changed = with_rows_changed(form(entities__TOTAL_FORMS=count), change)
        assert 1 <= row_count(changed) <= 10
        changed = with_rows_changed(form(external__TOTAL_FORMS=count), f"external-{change}")
        assert 1 <= row_count(changed, "external") <= 10
        assert row_count(changed) == 1


@pytest.mark.parametrize(("given", "wanted"), [("3", 3), ("9999999", 10), ("0", 1), ("-1", 1), ("x", 1), ("²", 1)])
def test_a_forged_row_count_is_harmless(given: str, wanted: int) -> None:
    assert row_count(form(entities__TOTAL_FORMS=given)) == wanted


def test_choices_name_aliases_and_leave_out_empty_models() -> None:
    version = ModelVersion("main.default.churn", "2", "READY", "", "", "", 0, aliases=("challenger",))
    models = [
        RegisteredModel("main.default.churn", "", 0, versions=(version,)),
        RegisteredModel("main.default.empty", "", 0),
    ]
    assert version_choices(models) == [
        ("main.default.churn", [("main.default.churn@2", "main.default.churn, version 2 (challenger)")])
    ]


def test_a_version_that_is_served_stays_a_choice() -> None:
    assert with_chosen(VERSIONS, [("main.default.churn", "1")]) == VERSIONS
    gone = with_chosen(VERSIONS, [("main.default.churn", "9")])[-1]
    assert gone == ("Served now", [("main.default.churn@9", "main.default.churn, version 9 (served now)")])


def test_pairs_are_read_as_they_are_written() -> None:
    pairs = [("team", "growth"), ("url", "a=b"), ("bare", "")]
    assert read_pairs(pairs_text(pairs), value_needed=False) == pairs
    assert read_pairs("\n  team = growth \n\n", value_needed=True) == [("team", "growth")]
