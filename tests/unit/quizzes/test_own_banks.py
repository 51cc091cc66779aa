"""The banks in fixtures/: complete, clean, and provable."""

from collections import Counter
from types import ModuleType

import pytest
from django.conf import settings

from quizzes.bank_files import read_banks, read_catalogue
from quizzes.bank_table import bank_table, filled_in
from quizzes.findings import Finding
from quizzes.interchange.merging import UNTAGGED
from quizzes.item_specs import BankSpec, Catalogue, ItemSpec
from quizzes.lint import lint
from quizzes.placeholders import combinations
from quizzes.proofs import programs
from quizzes.variant_files import read_variants, recorded_for
from quizzes.variants import Wording

FOLDER = settings.FIXTURES_DIR / "banks"


@pytest.fixture(scope="module")
def banks() -> list[BankSpec]:
    return read_banks(FOLDER)


@pytest.fixture(scope="module")
def items(banks: list[BankSpec]) -> list[ItemSpec]:
    return [item for bank in banks for item in bank.items]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(FOLDER)


@pytest.fixture(scope="module")
def findings(banks: list[BankSpec], items: list[ItemSpec], catalogue: Catalogue) -> list[Finding]:
    return lint(banks, catalogue, max(item.checked_on for item in items))


def test_the_linter_finds_no_error(findings: list[Finding]) -> None:
    assert [finding for finding in findings if finding.level == "error"] == []


def test_the_linter_warns_of_few_items(findings: list[Finding], items: list[ItemSpec]) -> None:
    assert len(findings) <= len(items) / 20


def test_there_are_items_for_each_exam(items: list[ItemSpec]) -> None:
    counts = Counter(item.exam for item in items)
    assert counts["ml-associate"] >= 60
    assert counts["ml-professional"] >= 100
    assert counts["genai-engineer-associate"] >= 80


def test_every_kind_is_used_for_every_exam(items: list[ItemSpec]) -> None:
    used = {(item.exam, item.kind) for item in items}
    kinds = {"single", "multiple", "ordering", "matching", "computed"}
    assert {exam: kinds - {kind for e, kind in used if e == exam} for exam, _ in used} == {exam: set() for exam, _ in used}


def test_most_items_are_proved_and_the_others_say_why_not(items: list[ItemSpec]) -> None:
    assert sum(item.has_full_proof for item in items) >= 150
    assert [item.key for item in items if not item.has_full_proof and not item.no_proof] == []


def test_every_objective_of_a_blueprint_has_an_item(items: list[ItemSpec], catalogue: Catalogue) -> None:
    measured = {item.objective for item in items}
    wanted = {line["objective"] for exam in catalogue.exams for b in exam["blueprints"] for line in b["lines"]}
    assert wanted - measured == set()


def test_every_misconception_of_the_catalogue_is_used(items: list[ItemSpec], catalogue: Catalogue) -> None:
    used = {option.misconception for item in items for option in item.options} - {""}
    assert set(catalogue.misconceptions) - used <= {UNTAGGED}


def test_the_facts_of_every_computed_item_are_recorded(items: list[ItemSpec]) -> None:
    """For exactly its present computation and all of its combinations; `make record-proofs` writes them."""
    recorded = read_variants(FOLDER)
    computed = [item for item in items if item.kind == "computed"]
    assert len(computed) >= 12
    for item in computed:
        found = recorded_for(item, recorded)
        assert [one.parameters for one in found] == combinations(item.parameters, item.constraints), item.key
        assert [one for one in found if not Wording.of_spec(item).why_dropped(one)], item.key


def test_the_readme_counts_what_the_files_hold(banks: list[BankSpec], catalogue: Catalogue) -> None:
    """`manage.py bank_table --write` brings it up to date."""
    text = (FOLDER / "README.md").read_text()
    assert filled_in(text, bank_table(banks, catalogue)) == text


def test_programs_have_names_of_their_own() -> None:
    topics = [
        module.PROGRAMS for module in vars(programs).values() if isinstance(module, ModuleType) and hasattr(module, "PROGRAMS")
    ]
    assert len(programs.PROGRAMS) == sum(len(topic) for topic in topics)
