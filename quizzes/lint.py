"""The linter of item banks: every rule over every item, bank and exam; pure. Errors block a bank, warnings are listed."""

from collections.abc import Iterator, Sequence
from datetime import date

from quizzes.findings import Finding
from quizzes.item_specs import BankSpec, Catalogue, ItemSpec
from quizzes.lint_banks import bank_findings, findings_over_banks
from quizzes.lint_rules import item_problems


def lint(banks: Sequence[BankSpec], catalogue: Catalogue, today: date) -> list[Finding]:
    """All findings, errors first."""
    findings = [finding for bank in banks for finding in lint_bank(bank, catalogue, today)]
    findings += findings_over_banks(banks)
    return sorted(findings, key=lambda finding: (finding.level != "error", finding.where, finding.rule))


def lint_bank(bank: BankSpec, catalogue: Catalogue, today: date) -> Iterator[Finding]:
    """Findings of one bank: what shows only in the whole, and its items."""
    yield from bank_findings(bank)
    for item in bank.items:
        yield from lint_item(item, catalogue, today)


def lint_item(item: ItemSpec, catalogue: Catalogue, today: date) -> Iterator[Finding]:
    """Findings that one item shows by itself."""
    for rule, (level, message) in item_problems(item, catalogue, today):
        yield Finding(level, rule, item.key, message)
