"""What an import would do to the banks: each item new, changed, same or refused with reasons; nothing is written here."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from quizzes.bank_files import BankFileError, parse_bank, parse_item
from quizzes.interchange import formats
from quizzes.interchange.bank_text import new_file
from quizzes.interchange.cleaning import cleaned, free_key, with_stimulus
from quizzes.interchange.merging import Incomplete, completed, merged
from quizzes.interchange.plans import Candidate, Entry, Plan, Wishes
from quizzes.interchange.portable import PortableItem
from quizzes.interchange.shelf import Shelf
from quizzes.interchange.spreading import spread
from quizzes.interchange.together import DECLARATION, lint_together, rewritten_bank, without_shared_parts
from quizzes.item_specs import Catalogue, ItemSpec
from quizzes.lint import lint_item

Tell = Callable[[int, int], None]
"""Called with (items done, items in all) while a plan is made."""


@dataclass(frozen=True)
class Planned:
    """A plan with the texts that the bank files would have, by slug, and the items to load."""

    plan: Plan
    texts: dict[str, str]
    specs: dict[str, list[ItemSpec]]


def make_plan(data: bytes, form: formats.Format, wishes: Wishes, shelf: Shelf, today: date, tell: Tell) -> Planned:
    """Read the file, complete and lint its items, and write the texts of the banks.

    Raises Unreadable when the file as a whole is no good.
    """
    items, report = formats.read(data, form)
    plan = Plan(losses=[(line.where, line.message) for line in report.lines if line.level != "refused"])
    plan.entries = [Entry(line.where, "", "refused", reasons=[line.message]) for line in report.refusals]
    found = _candidates(items, plan, wishes, shelf, form, today, tell)
    found = without_shared_parts(found, shelf)
    found = spread(found, shelf.banks.get(wishes.bank))
    found = lint_together(found, plan, wishes, shelf)
    plan.entries.sort(key=lambda entry: _natural(entry.where))
    written = [one for one in found if one.entry.state in {"new", "changed"}]
    return Planned(plan, _texts(written, wishes, shelf), _by_bank(written))


# --- one by one ----------------------------------------------------------------------------------


def _candidates(
    items: Sequence[PortableItem],
    plan: Plan,
    wishes: Wishes,
    shelf: Shelf,
    form: formats.Format,
    today: date,
    tell: Tell,
) -> list[Candidate]:
    """The items that can be written as far as one shows by itself; every item gets its entry in the plan."""
    found, taken, specs = [], set[str](), shelf.specs
    defaults = _defaults(wishes, form, today)
    for number, item in enumerate(items, 1):
        clean = cleaned(item)
        shown = with_stimulus(clean)
        entry = Entry(item.where, free_key(clean, taken, specs), "new", wishes.bank)
        entry.reasons += ["Characters that no text can show were left out."] * (clean != item)
        entry.reasons += ["The code in the question stands below it, as its stimulus."] * (shown.stem != clean.stem)
        plan.entries.append(entry)
        try:
            candidate = _candidate(shown, entry, defaults, shelf, specs, taken)
            _lint_alone(candidate, shelf.catalogue, today)
            found.append(candidate)
        except Incomplete as error:
            entry.state, entry.reasons = "refused", error.reasons
        except BankFileError as error:
            entry.state, entry.reasons = "refused", [str(error).partition(": ")[2] or str(error)]
        taken.add(entry.key)
        if number % 50 == 0 or number == len(items):
            tell(number, len(items))
    return found


def _defaults(wishes: Wishes, form: formats.Format, today: date) -> dict[str, str]:
    unproved = f"Imported from {form.name}; nobody has written a proof yet."
    return {"checked_on": today.isoformat(), "no_proof": unproved, **wishes.defaults}


def _candidate(
    item: PortableItem,
    entry: Entry,
    defaults: Mapping[str, str],
    shelf: Shelf,
    specs: Mapping[str, ItemSpec],
    taken: set[str],
) -> Candidate:
    """The item as it would be written. Raises Incomplete or BankFileError with what is wrong."""
    if entry.key in taken:
        raise Incomplete([f"Another item of the file has the key {entry.key!r}. Give each its own."])
    base = specs.get(entry.key)
    if base is None:
        data = completed(replace(item, key=entry.key), defaults)
    else:
        entry.bank = shelf.home[entry.key]
        if base.kind == "computed":
            raise Incomplete(["The bank has a computed item under this key; its answers come out of the sandbox."])
        found = merged(shelf.raw[entry.key], base, item)
        data, entry.changes = found.data, found.changes
        entry.state = "changed" if found.changes else "same"
    exam = base.exam if base else ""
    return Candidate(entry, data, parse_item(data, f"{entry.bank}, {entry.key}", exam))


def _lint_alone(candidate: Candidate, catalogue: Catalogue, today: date) -> None:
    """Raises Incomplete with the errors of the linter; its warnings are noted. What stays as it is was judged before."""
    if candidate.entry.state == "same":
        return
    findings = list(lint_item(candidate.spec, catalogue, today))
    if errors := [finding.message for finding in findings if finding.level == "error"]:
        raise Incomplete(errors)
    candidate.entry.reasons += [finding.message for finding in findings]


# --- texts ---------------------------------------------------------------------------------------


def _by_bank(written: Sequence[Candidate]) -> dict[str, list[ItemSpec]]:
    found: dict[str, list[ItemSpec]] = {}
    for one in written:
        found.setdefault(one.entry.bank, []).append(one.spec)
    return found


def _texts(written: Sequence[Candidate], wishes: Wishes, shelf: Shelf) -> dict[str, str]:
    """The new text of every bank that changes; each is read again, so that what is written says what was planned."""
    texts = {}
    for bank, specs in _by_bank(written).items():
        own = [one for one in written if one.entry.bank == bank]
        changed = {one.entry.key: one.data for one in own if one.entry.state == "changed"}
        new = [one.data for one in own if one.entry.state == "new"]
        if bank in shelf.banks:
            texts[bank] = rewritten_bank(shelf, bank, changed, new)
        else:
            head = {"bank": bank, "title": wishes.title, "description": "Imported items.", "declaration": DECLARATION}
            texts[bank] = new_file(head, new)
        said = {item.key: item for item in parse_bank(texts[bank], bank).items}
        wrong = [spec.key for spec in specs if said[spec.key].content_sha256 != spec.content_sha256]
        if wrong:
            raise BankFileError(f"{', '.join(wrong)} cannot be written as YAML and read again; nothing was stored.")
    return texts


def _natural(where: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() and len(part) < 12 else (0, part) for part in re.split(r"(\d+)", where)]
