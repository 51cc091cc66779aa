"""Keys of imported items over the positions, as a bank needs them: other systems often put the key first; pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from quizzes.findings import Finding
from quizzes.interchange.plans import Candidate
from quizzes.item_specs import BankSpec, ItemSpec
from quizzes.lint_banks import bank_findings, findings_over_banks, key_is_longest


def spread(found: list[Candidate], bank: BankSpec | None) -> list[Candidate]:
    """New choices in another order of their options, when the bank or an exam would have its keys in too few places."""
    new = [one for one in found if one.entry.state == "new"]
    before = bank.items if bank else ()
    if not _is_lopsided([*before, *(one.spec for one in new)]):
        return found
    choices = [one for one in new if one.spec.kind in {"single", "multiple"}]
    moved = {id(one): _rotated(one, number) for number, one in enumerate(choices)}
    return [moved.get(id(one), one) for one in found]


def _is_lopsided(items: list[ItemSpec]) -> bool:
    bank = BankSpec("bank", "", "", "own", tuple(items))
    return any(finding.rule == "key_positions" for finding in (*bank_findings(bank), *findings_over_exams(bank)))


def findings_over_exams(bank: BankSpec) -> Iterator[Finding]:
    """Findings of `findings_over_banks` that are about an exam as a whole."""
    return (finding for finding in findings_over_banks([bank]) if finding.rule == "key_positions")


def _rotated(one: Candidate, number: int) -> Candidate:
    """The item with its first key at place `number` (counted round); the options keep their order otherwise."""
    options = one.data["options"]
    first = next((place for place, option in enumerate(options) if option.get("key")), 0)
    by = (first - number) % len(options)
    if not by:
        return one
    one.entry.reasons.append("The options stand in another order, so that the bank's keys are spread over the positions.")
    turned = one.spec.options[by:] + one.spec.options[:by]
    return replace(one, data={**one.data, "options": options[by:] + options[:by]}, spec=replace(one.spec, options=turned))


def over_the_share(found: list[Candidate], banks: Iterable[BankSpec]) -> "Iterator[tuple[Candidate, str]]":
    """New or changed items whose key is the longest option, beyond the share that a bank and an exam may have, with why."""
    known = [item for bank in banks for item in bank.items]
    keys = {one.spec.key for one in found}
    home = {item.key: bank.slug for bank in banks for item in bank.items}
    counts: dict[str, list[float]] = {}

    def count(where: str, item: ItemSpec) -> bool:
        """Add the item to its group; whether it may be in it."""
        judged, cued, allowed = counts.setdefault(where, [0, 0, 0.0])
        judged, allowed = judged + 1, allowed + 1 / len(item.options) + 0.1
        cued += key_is_longest(item)
        counts[where] = [judged, cued, allowed]
        return cued <= allowed

    def judged(item: ItemSpec) -> bool:
        return item.kind == "single" and item.key_position >= 0

    for item in known:
        if judged(item) and item.key not in keys:
            count(home[item.key], item)
            count(f"exam {item.exam}", item)
    ordered = sorted((one for one in found if judged(one.spec)), key=lambda one: key_is_longest(one.spec))
    for one in ordered:
        groups = (one.entry.bank, f"exam {one.spec.exam}")
        before = {group: list(counts.get(group, [0, 0, 0.0])) for group in groups}
        fits = [count(group, one.spec) for group in groups]
        if not all(fits) and key_is_longest(one.spec) and one.entry.state != "same":
            counts.update(before)
            yield one, "The key is the longest option, and that is so in too many items already. Make a distractor as long."
