"""Each rule of the linter: an item that keeps it passes, one that breaks it is found."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from quizzes.findings import Finding
from quizzes.item_specs import Evidence, ItemSpec, OptionSpec, Source, Stimulus
from quizzes.lint import lint, lint_bank, lint_item
from tests.unit.quizzes.items import CATALOGUE, TODAY, make_bank, make_item, make_option, make_options


def rules(item: ItemSpec) -> dict[str, str]:
    """The worst level of each rule that the item breaks."""
    findings = sorted(lint_item(item, CATALOGUE, TODAY), key=lambda finding: finding.level == "error")
    return {finding.rule: finding.level for finding in findings}


def with_option(place: int, **changes: Any) -> ItemSpec:
    options = list(make_options())
    options[place] = replace(options[place], **changes)
    return make_item(options=tuple(options))


def test_a_good_item_has_no_findings() -> None:
    assert list(lint_item(make_item(), CATALOGUE, TODAY)) == []


@pytest.mark.parametrize(
    ("item", "rule", "level"),
    [
        (with_option(1, is_key=True), "one_key", "error"),
        (with_option(0, is_key=False), "one_key", "error"),
        (make_item(options=make_options()[:2]), "one_key", "error"),
        (with_option(1, text="The first route"), "one_key", "error"),
        (with_option(2, rationale="B is wrong because of the sum."), "letters", "error"),
        (with_option(2, rationale="See option C for why."), "letters", "error"),
        (with_option(3, text="All of the above"), "all_or_none", "error"),
        (with_option(3, text="Both A and B"), "all_or_none", "error"),
        (make_item(stem="A shop. Which setting does not fit?"), "negative_stem", "warning"),
        (make_item(stem="Choose the setting."), "question", "warning"),
        (with_option(0, text="The first route, which is by far the longest text of them all here"), "length_cue", "warning"),
        (with_option(1, text="The route always"), "loose_words", "warning"),
        (with_option(1, text="It usually fits"), "loose_words", "warning"),
        (with_option(0, text="The versions fit"), "clang", "warning"),
        (make_item(exam_wording="AI Gateway"), "naming", "error"),
        (make_item(source=Source("http://example.org", date(2026, 1, 1), "1")), "naming", "error"),
        (make_item(bloom="guess"), "naming", "error"),
        (make_item(objective="unknown"), "tags", "error"),
        (make_item(objective="deploy"), "tags", "warning"),
        (make_item(exam="ml-expert"), "tags", "error"),
        (make_item(difficulty="tricky"), "naming", "error"),
        (make_item(no_proof=""), "proofs", "error"),
        (make_item(stimulus=Stimulus("yaml", "A file", "a: 1")), "stimulus", "error"),
        (make_item(stimulus=Stimulus("json", "A body", "{")), "stimulus", "warning"),
        (make_item(stimulus=Stimulus("python", "A call", "f(")), "stimulus", "warning"),
        (make_item(evidence=(Evidence("So it is.", "my memory", TODAY),)), "evidence", "error"),
        (make_item(evidence=(Evidence("So it is.", "observed: no_such_program()", TODAY),)), "evidence", "error"),
        (make_item(evidence=(Evidence("So it is.", "https://mlflow.org", TODAY + timedelta(days=1)),)), "evidence", "error"),
        (with_option(1, misconception="unknown"), "tags", "error"),
        (with_option(0, misconception="unknown"), "tags", "error"),
        (make_item(expires_on=TODAY + timedelta(days=181)), "dates", "error"),
        (make_item(expires_on=TODAY - timedelta(days=1)), "dates", "error"),
        (make_item(checked_on=TODAY + timedelta(days=1)), "dates", "error"),
        (make_item(source=Source("https://example.org", TODAY + timedelta(days=1), "1")), "dates", "error"),
    ],
)
def test_a_broken_rule_is_found(item: ItemSpec, rule: str, level: str) -> None:
    assert rules(item).get(rule) == level


def test_a_negation_in_capitals_is_fine() -> None:
    assert rules(make_item(stem="Which setting does NOT fit?")) == {}


def test_an_expired_item_is_a_warning_so_that_the_site_still_starts() -> None:
    item = make_item()
    found = list(lint_item(item, CATALOGUE, item.expires_on + timedelta(days=1)))
    assert [(finding.rule, finding.level) for finding in found] == [("dates", "warning")]


def test_numbers_stand_in_order() -> None:
    numbers = tuple(make_option(text, is_key=text == "20") for text in ("10", "30", "20"))
    assert rules(make_item(options=numbers)) == {"numbers_in_order": "warning"}
    in_order = tuple(make_option(text, is_key=text == "20") for text in ("10", "20", "30"))
    assert rules(make_item(options=in_order)) == {}


def proof(**more: Any) -> dict[str, Any]:
    return {"program": "get_endpoint", "arguments": {"name": "x"}, "claims": {"status": 200}, "observed": {"status": 404}, **more}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (proof(program="rm"), "there is no program 'rm'"),
        (proof(arguments={"nome": "x"}), "the arguments do not fit"),
        (proof(claims={}), "claims: must map"),
        (proof(observed={"status": {"greater": 1}}), "observed: status"),
        (proof(observed={}), "needs the recorded observation"),
        (proof(observed={"status": 200}), "it would be right"),
    ],
)
def test_a_broken_proof_is_an_error(broken: dict[str, Any], words: str) -> None:
    options: list[OptionSpec] = list(make_options())
    options[1] = replace(options[1], proof=broken)
    found = [
        f for f in lint_item(make_item(options=tuple(options)), CATALOGUE, TODAY) if f.rule == "proofs" and f.level == "error"
    ]
    assert any(words in finding.message for finding in found), found


def bank_rules(*items: ItemSpec, **more: Any) -> list[Finding]:
    return [finding for finding in lint_bank(make_bank(*items, **more), CATALOGUE, TODAY) if finding.where == "bank"]


def items_with_keys_at(*places: int) -> list[ItemSpec]:
    return [
        make_item(key=f"item-{n}", stem=f"Case {n} of a shop?", options=make_options(place)) for n, place in enumerate(places)
    ]


def test_a_bank_declares_that_it_is_its_own() -> None:
    assert [f.rule for f in bank_rules(make_item(), declaration="")] == ["declaration"]


def test_four_keys_in_a_row_are_too_many() -> None:
    assert bank_rules(*items_with_keys_at(0, 1, 1, 1, 2, 3)) == []
    (finding,) = bank_rules(*items_with_keys_at(0, 1, 1, 1, 1, 2, 3))
    assert (finding.rule, finding.level) == ("key_positions", "error")
    assert "4 keys in a row" in finding.message


def test_keys_that_crowd_at_one_position_are_found() -> None:
    places = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1]
    assert any("not spread" in finding.message for finding in bank_rules(*items_with_keys_at(*places)))


def test_the_longest_option_must_not_be_the_key_too_often() -> None:
    long_key = (make_option("The longest of all routes", is_key=True), *make_options(3)[:3])
    cued = [make_item(key=f"cued-{n}", options=tuple(long_key)) for n in range(2)]
    plain = items_with_keys_at(1, 3)
    assert any(f.rule == "longest_is_key" and f.level == "error" for f in bank_rules(*cued, *plain))


def test_nearly_equal_stems_are_found() -> None:
    stem = "A retailer serves two versions of a model behind one endpoint in production and wants a split. Which one fits?"
    items = [make_item(key="a", stem=stem), make_item(key="b", stem=stem.replace("retailer", "bank"))]
    found = [f for f in lint([make_bank(item) for item in items], CATALOGUE, TODAY) if f.rule == "near_duplicate"]
    assert [(finding.where, finding.level) for finding in found] == [("a", "error")]


def test_a_key_that_is_used_twice_is_an_error() -> None:
    found = lint([make_bank(make_item()), make_bank(make_item(), slug="other")], CATALOGUE, TODAY)
    assert ("unique_key", "error", "split") in [(f.rule, f.level, f.where) for f in found]
