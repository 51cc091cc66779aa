"""The banks in fixtures/: complete, clean, and provable."""

from collections import Counter

import pytest
from django.conf import settings

from quizzes.bank_files import read_banks, read_catalogue
from quizzes.item_specs import BankSpec
from quizzes.lint import lint

FOLDER = settings.FIXTURES_DIR / "banks"


@pytest.fixture(scope="module")
def banks() -> list[BankSpec]:
    return read_banks(FOLDER)


def test_the_linter_has_nothing_to_say(banks: list[BankSpec]) -> None:
    checked_last = max(item.checked_on for bank in banks for item in bank.items)
    assert lint(banks, read_catalogue(FOLDER), checked_last) == []


def test_each_endpoint_type_has_at_least_five_items(banks: list[BankSpec]) -> None:
    counts = {bank.slug: len(bank.items) for bank in banks}
    assert set(counts) == {"custom_models", "foundation_models", "external_models"}
    assert min(counts.values()) >= 5
    assert sum(counts.values()) >= 15


def test_every_option_of_at_least_five_items_has_a_proof(banks: list[BankSpec]) -> None:
    proved = [item.key for bank in banks for item in bank.items if all(option.proof for option in item.options)]
    assert len(proved) >= 5


def test_every_item_has_four_options(banks: list[BankSpec]) -> None:
    assert Counter(len(item.options) for bank in banks for item in bank.items) == {4: sum(len(b.items) for b in banks)}


def test_every_objective_of_a_blueprint_has_an_item(banks: list[BankSpec]) -> None:
    measured = {item.objective for bank in banks for item in bank.items}
    wanted = {line["objective"] for exam in read_catalogue(FOLDER).exams for b in exam["blueprints"] for line in b["lines"]}
    assert wanted - measured == set()


def test_every_misconception_of_the_catalogue_is_used(banks: list[BankSpec]) -> None:
    used = {option.misconception for bank in banks for item in bank.items for option in item.options}
    assert set(read_catalogue(FOLDER).misconceptions) == used
