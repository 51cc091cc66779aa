"""JSON laid out for people is still the same JSON."""

import json
from typing import Any

import pytest

from sandbox.console.json_text import LINE_CHARACTERS, readable

VALUES: list[Any] = [
    {},
    [],
    None,
    'ü "quoted"\nline',
    {"predictions": ["No", "Yes"]},
    {"a": {"b": [{"c": [1, 2.5, None, True]}, {}]}, "empty": []},
    {"embedding": [0.123456789 * number for number in range(200)]},
    {"texts": ["a text with spaces " * 3 for _ in range(5)]},
]


@pytest.mark.parametrize("value", VALUES)
def test_it_says_the_same(value: Any) -> None:
    assert json.loads(readable(value)) == value


def test_a_short_list_stays_on_its_line() -> None:
    assert readable({"predictions": ["No", "Yes"]}) == '{\n  "predictions": ["No", "Yes"]\n}'


def test_long_numbers_are_wrapped() -> None:
    lines = readable({"embedding": [1.5] * 100}).splitlines()
    assert max(len(line) for line in lines) <= LINE_CHARACTERS
    assert len(lines) < 12
