"""What candidates of an import do to each other and to their banks: shared parts, near-duplicates, keys that show."""

from collections.abc import Mapping, Sequence
from typing import Any

from quizzes.findings import Finding
from quizzes.interchange.bank_text import SharedPart, rewritten
from quizzes.interchange.plans import Candidate, Plan, Wishes
from quizzes.interchange.shelf import Shelf
from quizzes.interchange.spreading import over_the_share
from quizzes.item_specs import BankSpec
from quizzes.lint_banks import bank_findings, findings_over_banks

DECLARATION = "Imported; the author declares that the wording is free to use here and no recalled exam content."


def without_shared_parts(found: list[Candidate], shelf: Shelf) -> list[Candidate]:
    """Changed items without those whose parts other items of the file refer to."""
    for candidate in found:
        if candidate.entry.state == "changed" and "&" in shelf.texts[candidate.entry.bank]:
            try:
                rewritten_bank(shelf, candidate.entry.bank, {candidate.entry.key: candidate.data}, [])
            except SharedPart as error:
                candidate.entry.state, candidate.entry.reasons = "refused", [str(error)]
    return [candidate for candidate in found if candidate.entry.state != "refused"]


def rewritten_bank(shelf: Shelf, bank: str, changed: Mapping[str, dict[str, Any]], new: Sequence[dict[str, Any]]) -> str:
    return rewritten(shelf.texts[bank], shelf.paths[bank].name, changed, new)


def lint_together(found: list[Candidate], plan: Plan, wishes: Wishes, shelf: Shelf) -> list[Candidate]:
    """Without near-duplicates and keys that are too often the longest; what is wrong with a bank as a whole is a problem."""
    before = {(finding.rule, finding.where) for finding in _findings(list(shelf.banks.values()))}
    for candidate, reason in over_the_share(found, shelf.banks.values()):
        candidate.entry.state, candidate.entry.reasons = "refused", [reason]
    found = [candidate for candidate in found if candidate.entry.state != "refused"]
    own = {candidate.entry.key: candidate for candidate in found if candidate.entry.state != "same"}
    for finding in _findings(_banks_with(found, wishes, shelf)):
        if (finding.rule, finding.where) in before:
            continue
        about = own.get(finding.where)
        if about is None:
            plan.problems += [finding.message] if finding.level == "error" and own else []
        elif finding.level == "error":
            about.entry.state, about.entry.reasons = "refused", [finding.message]
        else:
            about.entry.reasons.append(finding.message)
    return [candidate for candidate in found if candidate.entry.state != "refused"]


def _findings(banks: Sequence[BankSpec]) -> list[Finding]:
    of_banks = [finding for bank in banks for finding in bank_findings(bank)]
    return [*of_banks, *findings_over_banks(banks)]


def _banks_with(found: Sequence[Candidate], wishes: Wishes, shelf: Shelf) -> list[BankSpec]:
    """The banks as they would be; those with candidates first, so that a pair of likes is reported at the new one."""
    changed = {one.entry.key: one.spec for one in found if one.entry.state == "changed"}
    new = [one.spec for one in found if one.entry.state == "new"]
    banks = []
    for bank in shelf.banks.values():
        items = tuple(changed.get(item.key, item) for item in bank.items)
        added = tuple(new) if bank.slug == wishes.bank else ()
        banks.append(BankSpec(bank.slug, bank.title, bank.description, bank.declaration, (*added, *items)))
    if wishes.title and new:
        banks.append(BankSpec(wishes.bank, wishes.title, "", DECLARATION, tuple(new)))
    touched = {one.entry.bank for one in found if one.entry.state != "same"}
    return sorted(banks, key=lambda bank: bank.slug not in touched)
