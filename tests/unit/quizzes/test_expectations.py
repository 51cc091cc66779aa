"""Comparing facts with expectations."""

from typing import Any

import pytest

from quizzes.proofs.expectations import agrees, compare, problems_with

FACTS = {"status": 400, "message": "They add up to 90.", "keys": ["data", "usage"], "ready": True, "share": 0.8}


@pytest.mark.parametrize(
    ("expectation", "holds"),
    [
        ({"status": 400}, True),
        ({"status": 200}, False),
        ({"status": "400"}, False),
        ({"ready": True}, True),
        ({"ready": 1}, False),
        ({"message": {"contains": "ADD UP"}}, True),
        ({"message": {"contains": "100"}}, False),
        ({"keys": {"includes": "data"}}, True),
        ({"keys": {"includes": "predictions"}}, False),
        ({"keys": ["data", "usage"]}, True),
        ({"keys": ["usage", "data"]}, False),
        ({"share": {"between": [0.7, 0.9]}}, True),
        ({"share": {"between": [0.81, 0.9]}}, False),
        ({"status": {"at_least": 400}}, True),
        ({"status": {"at_least": 401}}, False),
        ({"status": {"isnt": 200}}, True),
        ({"missing": {"isnt": 200}}, False),
        ({"missing": 1}, False),
        ({"status": 400, "ready": False}, False),
    ],
)
def test_an_expectation_holds_or_not(expectation: dict[str, Any], holds: bool) -> None:
    assert agrees(expectation, FACTS) is holds


def test_a_comparison_says_what_was_expected_and_what_was_seen() -> None:
    seen, missing = compare({"status": {"between": [500, 599]}, "header": "x"}, FACTS)
    assert (seen.expected, seen.got, seen.agrees) == ("is between [500, 599]", "400", False)
    assert (missing.expected, missing.got, missing.agrees) == ("x", "not observed", False)


@pytest.mark.parametrize("broken", [None, {}, "status", {"status": {"more_than": 3}}, {"status": {"between": [1, 2], "isnt": 3}}])
def test_what_is_no_expectation_is_named(broken: Any) -> None:
    assert problems_with(broken)


def test_a_good_expectation_has_no_problem() -> None:
    assert problems_with({"status": 400, "message": {"contains": "x"}}) == []
