"""Placeholders of computed items: values, facts, and the combinations that constraints leave."""

import pytest

from quizzes.placeholders import BadConstraint, combinations, fill, fill_arguments, holds, names_in


def test_parameters_their_parts_and_facts_are_filled_in() -> None:
    parameters = {"share": 80, "case": {"says": "two keys"}}
    text = "{{share}} percent, {{ case.says }}, {{fact.rest}} and {{unknown}} and {{case.none}}"
    assert fill(text, parameters, {"rest": None}) == "80 percent, two keys, null and {{unknown}} and {{case.none}}"
    assert names_in(text) == {"share", "case.says", "fact.rest", "unknown", "case.none"}


def test_json_around_a_placeholder_stays() -> None:
    assert fill('{"tenure": {{value.json}}}', {"value": {"json": "1.5"}}, {}) == '{"tenure": 1.5}'


def test_arguments_keep_the_type_of_a_value() -> None:
    arguments = {"first": "{{share}}", "sent": "{{value.sent}}", "text": "at {{share}}", "list": ["{{share}}"], "plain": 3}
    filled = fill_arguments(arguments, {"share": 80, "value": {"sent": None}})
    assert filled == {"first": 80, "sent": None, "text": "at 80", "list": [80], "plain": 3}


def test_constraints_choose_among_the_combinations() -> None:
    parameters = {"a": (10, 50, 90), "b": (10, 50, 90)}
    assert combinations(parameters, ["a + b == 100", "a != b"]) == [{"a": 10, "b": 90}, {"a": 90, "b": 10}]
    assert combinations({}, []) == [{}]


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os')",
        "a.__class__ == 1",
        "a < unknown",
        "a if a else 1",
        "[x for x in a] == a",
        "a ** 99999999 > 1",
        "a <",
        "",
        "(lambda: 1)() == 1",
        "a == b'x'",
    ],
)
def test_nothing_but_a_comparison_is_evaluated(attack: str) -> None:
    with pytest.raises(BadConstraint):
        holds(attack, {"a": 1})
