"""Searching and filtering the Serving list."""

from typing import Any

import pytest

from sandbox.console.endpoint_pages import EndpointView, endpoint_view
from sandbox.console.serving_list import Filters, choices, state_of


def endpoint(name: str, update: str = "NOT_UPDATING", ready: str = "READY", **fields: Any) -> EndpointView:
    state = {"ready": ready, "config_update": update, **fields.pop("state", {})}
    entity = {"name": "e", "entity_name": f"main.default.{name}", "entity_version": "3"}
    config = {"config_version": 1, "served_entities": [entity]}
    return endpoint_view({"name": name, "state": state, "config": config, "creator": "ada", **fields})


CHURN = endpoint("churn", tags=[{"key": "team", "value": "growth"}])
FRAUD = endpoint("fraud", creator="grace", tags=[{"key": "pilot", "value": ""}])
BROKEN = endpoint("broken", update="UPDATE_FAILED", ready="NOT_READY")
STOPPED = endpoint("old", ready="NOT_READY", state={"suspend": "STOPPED"})
ALL = [CHURN, FRAUD, BROKEN, STOPPED]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["churn", "fraud", "broken", "old"]),
        ({"q": "CHU"}, ["churn"]),
        ({"q": "main.default fraud"}, ["fraud"]),
        ({"q": "growth"}, ["churn"]),
        ({"q": "nothing like it"}, []),
        ({"state": "failed"}, ["broken"]),
        ({"state": "stopped"}, ["old"]),
        ({"tag": "team: growth"}, ["churn"]),
        ({"tag": "pilot"}, ["fraud"]),
        ({"creator": "grace"}, ["fraud"]),
        ({"kind": "external"}, []),
        ({"state": "ready", "creator": "ada"}, ["churn"]),
    ],
)
def test_what_is_left(query: dict[str, str], names: list[str]) -> None:
    assert [each.name for each in Filters.of(query).of_these(ALL)] == names


def test_pickers_offer_what_is_there() -> None:
    offered = choices(ALL)
    assert [key for key, _ in offered.states] == ["ready", "failed", "stopped"]
    assert (offered.tags, offered.creators) == (["pilot", "team: growth"], ["ada", "grace"])


def test_an_update_goes_before_everything() -> None:
    assert state_of(endpoint("x", update="IN_PROGRESS", state={"suspend": "STOPPED"})) == "updating"
    assert state_of(endpoint("x", ready="NOT_READY")) == "not_ready"
