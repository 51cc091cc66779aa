"""Rules of traffic_config."""

import pytest

from sandbox.errors import InvalidParameterValue
from sandbox.serving.traffic import complete_routes


def test_one_entity_gets_everything() -> None:
    assert complete_routes(None, ["churn-1"]) == ({"served_entity_name": "churn-1", "traffic_percentage": 100},)


def test_a_split_is_kept_in_its_order() -> None:
    assert complete_routes([("b", 20), ("a", 80)], ["a", "b"]) == (
        {"served_entity_name": "b", "traffic_percentage": 20},
        {"served_entity_name": "a", "traffic_percentage": 80},
    )


def test_an_entity_may_have_no_share() -> None:
    assert complete_routes([("a", 100), ("b", 0)], ["a", "b"])[1]["traffic_percentage"] == 0
    assert complete_routes([("a", 100)], ["a", "b"]) == ({"served_entity_name": "a", "traffic_percentage": 100},)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "traffic_config is required when an endpoint serves more than one entity."),
        ([("a", 80), ("b", 30)], "must add up to 100. They add up to 110."),
        ([("a", 80), ("b", 10)], "must add up to 100. They add up to 90."),
        ([("a", 80), ("c", 20)], "a route to 'c', which this config does not serve. It serves 'a', 'b'."),
        ([("a", 50), ("a", 50)], "more than one route to 'a'"),
    ],
)
def test_what_is_wrong_is_said(given: list[tuple[str, int]] | None, sentence: str) -> None:
    with pytest.raises(InvalidParameterValue) as refusal:
        complete_routes(given, ["a", "b"])
    assert sentence in refusal.value.message
