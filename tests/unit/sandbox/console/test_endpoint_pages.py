"""What a page shows of an endpoint's answer."""

from typing import Any

from sandbox.console.endpoint_pages import endpoint_view


def answer(**fields: Any) -> dict[str, Any]:
    return {"name": "churn", "state": {"ready": "READY", "config_update": "NOT_UPDATING"}, **fields}


def config(version: int, **shares: int) -> dict[str, Any]:
    return {
        "config_version": version,
        "served_entities": [{"name": name, "entity_name": "main.default.churn", "entity_version": "1"} for name in shares],
        "traffic_config": {
            "routes": [{"served_entity_name": name, "traffic_percentage": share} for name, share in shares.items()]
        },
    }


def test_it_works() -> None:
    view = endpoint_view(answer(config=config(3, champion=80, challenger=20), permission_level="CAN_MANAGE"))
    assert view.config is not None
    assert (view.kind, view.config.version, view.can_manage) == ("custom", 3, True)
    assert view.config.traffic_words == "champion 80 %, challenger 20 %"
    assert [entity.tone for entity in view.config.entities] == [1, 2]


def test_an_entity_without_a_route_gets_no_traffic() -> None:
    raw = config(1, champion=100)
    raw["served_entities"].append({"name": "shadow", "entity_name": "main.default.churn", "entity_version": "2"})
    view = endpoint_view(answer(config=raw))
    assert view.config is not None
    assert [entity.traffic_percentage for entity in view.config.entities] == [100, 0]


def test_a_new_endpoint_shows_what_rolls_out() -> None:
    state = {"ready": "NOT_READY", "config_update": "IN_PROGRESS"}
    view = endpoint_view(answer(state=state, pending_config=config(1, champion=100)))
    assert view.config is None
    assert view.shown_config == view.pending
    assert not view.is_settled


def test_an_external_model_names_its_provider() -> None:
    entity = {"name": "chat", "external_model": {"provider": "openai", "name": "gpt-4o-mini", "task": "llm/v1/chat"}}
    view = endpoint_view(answer(config={"config_version": 1, "served_entities": [entity]}, task="llm/v1/chat"))
    assert view.config is not None
    assert (view.kind, view.kind_word, view.config.entities[0].model) == ("external", "External model", "openai / gpt-4o-mini")


def test_a_preconfigured_endpoint_is_not_the_learners() -> None:
    view = endpoint_view(answer(permission_level="CAN_QUERY"))
    assert (view.can_query, view.can_manage) == (True, False)
