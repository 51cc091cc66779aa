"""The pure parts of the steps that `play` takes: what is read out of answers."""

import pytest

from quizzes.proofs.programs.scenarios import STEPS
from quizzes.proofs.scenes.call_steps import number_of
from quizzes.proofs.scenes.scene import shares_of


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("-3", -3), ("0.75", 0.75), ("0.123456", 0.1235), ("inf", float("inf")), ("No", "No"), (None, None), ("", "")],
)
def test_a_cell_is_a_number_where_it_says_one(text: str | None, value: object) -> None:
    assert number_of(text) == value
    assert type(number_of(text)) is type(value)


def test_shares_are_those_of_the_routes() -> None:
    routes = [{"served_entity_name": "a", "traffic_percentage": 90}, {"served_entity_name": "b", "traffic_percentage": 10}]
    assert shares_of({"traffic_config": {"routes": routes}}) == {"a": 90, "b": 10}
    assert shares_of({}) == {}


def test_each_step_says_what_it_does() -> None:
    assert set(STEPS) == {"alias", "call", "describe", "request", "secret", "sql", "update", "update_to_unbuildable", "wait"}
    assert [name for name, step in STEPS.items() if not step.__doc__] == []
