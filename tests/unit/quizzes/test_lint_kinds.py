"""What the linter wants of each kind, and what it sees only over many items."""

from dataclasses import replace
from typing import Any

import pytest

from quizzes.findings import Finding
from quizzes.item_specs import ItemSpec
from quizzes.lint import lint, lint_item
from tests.integration.quizzes.of_each_kind import KINDS, spec_of
from tests.unit.quizzes.items import CATALOGUE, TODAY, make_bank, make_item, make_option, make_options


def messages(item: ItemSpec) -> list[str]:
    found = lint_item(replace(item, expires_on=make_item().expires_on), CATALOGUE, TODAY)
    return [finding.message for finding in found if finding.level == "error"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_item_of_each_kind_has_no_error(kind: str) -> None:
    assert messages(spec_of(kind)) == []


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("multiple", {"stem": "Which ones fit?"}, "The stem must say 'Select two.'"),
        ("multiple", {"options": spec_of("multiple").options[:4]}, "4 options; an item with two keys has 5"),
        ("multiple", {"options": make_options()}, "1 options are marked as key; exactly two are needed"),
        ("ordering", {"options": spec_of("ordering").options[:3]}, "3 steps; 4 to 6 are needed"),
        ("matching", {"options": spec_of("matching").options[:2]}, "2 pairs; 3 to 5 are needed"),
        (
            "matching",
            {"options": (*spec_of("matching").options, spec_of("matching").options[0])},
            "Two prompts have the same text",
        ),
        ("single", {"parameters": {"a": (1,)}}, "Only items of kind computed take parameters"),
        ("single", {"proof": {"program": "x", "arguments": {}, "claims": {}, "observed": {}}}, "is for kind ordering"),
        ("computed", {"parameters": {"share": tuple(range(25))}}, "25 combinations of parameters; 1 to 24 are allowed"),
        ("computed", {"parameters": {"share": (1,), "idle": (2,)}}, "The parameter 'idle' is used nowhere"),
        ("computed", {"constraints": ("share < other",)}, "only parameters, numbers"),
        ("computed", {"stem": "Version 1 gets {{share}} of {{total}}. What is left?"}, "{{total}} is no parameter of this item"),
        ("computed", {"options": make_options()}, "The key must show a fact that the sandbox computes"),
        ("guess", {}, "kind is 'guess'"),
    ],
)
def test_a_kind_is_broken(kind: str, changes: dict[str, Any], words: str) -> None:
    item = replace(spec_of(kind), **changes)
    assert any(words in message for message in messages(item)), messages(item)


def over_banks(*banks: list[ItemSpec]) -> list[Finding]:
    return lint([make_bank(*items, slug=f"bank-{n}") for n, items in enumerate(banks)], CATALOGUE, TODAY)


def at(place: int, number: int) -> ItemSpec:
    return make_item(key=f"item-{number}", stem=f"Question {number} about shops?", options=make_options(place))


def test_keys_are_spread_over_an_exam_too() -> None:
    """Each bank for itself is too small to show it."""
    banks = [[at(place, 3 * bank + n) for n, place in enumerate((1, 1, 0))] for bank in range(8)]
    found = [finding for finding in over_banks(*banks) if finding.rule == "key_positions"]
    assert [finding.where for finding in found] == ["ml-associate"]


def test_near_duplicates_are_found_between_banks() -> None:
    stem = "A parcel service serves two versions of its delay model and wants to share the calls out. Which setting fits?"
    one, other = make_item(key="one", stem=stem), make_item(key="other", stem=stem.replace("parcel", "taxi"))
    rather = make_item(key="rather", stem=stem[:60] + " but has to wait for a permission first. Who gives it?")
    found = [finding for finding in over_banks([one], [other, rather]) if finding.rule == "near_duplicate"]
    assert ("one", "error") in {(finding.where, finding.level) for finding in found}
    assert not any("rather" in finding.where + finding.message for finding in found if finding.level == "error")


def test_a_key_that_stands_in_another_stem_is_warned_of() -> None:
    key = make_option("The routes of an endpoint have to add up to one hundred", is_key=True)
    giving = make_item(key="giving", stem="The routes of an endpoint have to add up to one hundred percent. Why is that so?")
    item = make_item(key="given", options=(key, *make_options(1)[1:]))
    found = [finding for finding in over_banks([item, giving]) if finding.rule == "given_away"]
    assert [(finding.where, finding.level) for finding in found] == [("given", "warning")]
    other_exam = replace(giving, exam="ml-professional")
    assert not [finding for finding in over_banks([item, other_exam]) if finding.rule == "given_away"]
