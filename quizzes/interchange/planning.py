"""What an import would do to the banks: each item new, changed, same or refused with reasons; nothing is written here."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from quizzes.bank_files import BankFileError, bank_paths, parse_bank, parse_item, parse_mapping, read_catalogue
from quizzes.findings import Finding
from quizzes.interchange import formats
from quizzes.interchange.bank_text import SharedPart, new_file, rewritten
from quizzes.interchange.merging import Incomplete, completed, merged
from quizzes.interchange.portable import PortableItem
from quizzes.interchange.spreading import over_the_share, spread
from quizzes.item_specs import BankSpec, Catalogue, ItemSpec, Stimulus
from quizzes.lint import lint_item
from quizzes.lint_banks import bank_findings, findings_over_banks
from quizzes.lint_rules import LANGUAGES

Tell = Callable[[int, int], None]
"""Called with (items done, items in all) while a plan is made."""
STATES = ("new", "changed", "same", "refused")
CAPTION = "Shown with the question"
"""Of a stimulus that came without one."""
_BLOCK = re.compile(r"\n*^```(\w*)\n(.+?)\n```$\n*", re.M | re.S)
DECLARATION = "Imported; the author declares that the wording is free to use here and no recalled exam content."
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True)
class Wishes:
    """What the author chose: the bank for new items, and values for what a file does not say. Dates in ISO form."""

    bank: str
    title: str = ""
    """Of a bank that is to be made; empty for one that is there."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """By name of quizzes.interchange.portable.META."""


@dataclass
class Entry:
    """One item of the file. `where`: its line, or its file in an archive."""

    where: str
    key: str
    state: str
    bank: str = ""
    reasons: list[str] = field(default_factory=list)
    """Why it is refused; else what is to be known about it."""
    changes: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """The outcome of a dry run. With a problem nothing can be imported, whatever the author says."""

    entries: list[Entry] = field(default_factory=list)
    losses: list[tuple[str, str]] = field(default_factory=list)
    """(where, what was changed or left out while the file was read)."""
    problems: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(entry.state == state for entry in self.entries)

    @property
    def digest(self) -> str:
        """Two plans with the same digest do the same."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Candidate:
    """An item that would be written: its entry, its mapping, and what that says."""

    entry: Entry
    data: dict[str, Any]
    spec: ItemSpec


@dataclass
class Shelf:
    """The bank files as they are: texts, what they say, and each item's mapping."""

    folder: Path
    catalogue: Catalogue
    paths: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    banks: dict[str, BankSpec] = field(default_factory=dict)
    raw: dict[str, dict[str, Any]] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    """Item key -> bank."""

    @property
    def specs(self) -> dict[str, ItemSpec]:
        return {item.key: item for bank in self.banks.values() for item in bank.items}


def read_shelf(folder: Path) -> Shelf:
    """All bank files; raises BankFileError when one cannot be read, since its keys would be unknown."""
    shelf = Shelf(folder, read_catalogue(folder))
    for path in bank_paths(folder):
        text = path.read_text(encoding="utf-8")
        bank = parse_bank(text, path.name)
        shelf.paths[bank.slug], shelf.texts[bank.slug], shelf.banks[bank.slug] = path, text, bank
        for raw in parse_mapping(text, path.name)["items"]:
            shelf.raw[raw["key"]], shelf.home[raw["key"]] = raw, bank.slug
    return shelf


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
    found = _without_shared_parts(found, shelf)
    found = spread(found, shelf.banks.get(wishes.bank))
    found = _lint_together(found, plan, wishes, shelf)
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


def cleaned(item: PortableItem) -> PortableItem:
    """Without control characters and line breaks that only some programs know."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return _CONTROL.sub(lambda found: " " if found.group() in "\x0b\x0c\x85\u2028\u2029" else "", value)
        if isinstance(value, dict):
            return {name: clean(part) for name, part in value.items()}
        return tuple(clean(part) for part in value) if isinstance(value, tuple) else value

    options = tuple(type(o)(**{name: clean(value) for name, value in vars(o).items()}) for o in item.options)
    shown = item.stimulus and type(item.stimulus)(**{name: clean(value) for name, value in vars(item.stimulus).items()})
    return PortableItem(clean(item.key), item.kind, clean(item.stem), options, shown, clean(dict(item.meta)), item.where)


def with_stimulus(item: PortableItem) -> PortableItem:
    """The one block of code in a question as its stimulus, with what a stimulus needs."""
    stem, shown = item.stem, item.stimulus
    found = _BLOCK.findall(stem)
    if shown is None and len(found) == 1:
        language, code = found[0]
        stem, shown = _BLOCK.sub("\n\n", stem).strip(), Stimulus(language, "", code)
    if shown is not None:
        language = shown.language if shown.language in LANGUAGES else "text"
        shown = Stimulus(language, shown.caption or CAPTION, shown.code)
    return replace(item, stem=stem, stimulus=shown)


def free_key(item: PortableItem, taken: set[str], known: Mapping[str, ItemSpec]) -> str:
    """The item's key in small letters, digits and hyphens; a number behind it when another item has it."""
    given = item.key.strip()
    slug = _slug(given) or _slug(" ".join(item.stem.split()[:8])) or "item"
    if slug == given:
        return slug
    key, number = slug, 1
    while key in taken or (key in known and not _is_like(item, known[key])):
        number += 1
        key = f"{slug[:70]}-{number}"
    return key


def _slug(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain[:80].strip("-")


def _is_like(item: PortableItem, base: ItemSpec) -> bool:
    """Whether the two are one question in two wordings, rather than two questions under one name."""
    texts = {" ".join(option.text.split()) for option in item.options}
    return " ".join(item.stem.split()) == base.stem or bool(texts & {" ".join(o.text.split()) for o in base.options})


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


# --- together ------------------------------------------------------------------------------------


def _without_shared_parts(found: list[Candidate], shelf: Shelf) -> list[Candidate]:
    """Changed items without those whose parts other items of the file refer to."""
    for candidate in found:
        if candidate.entry.state == "changed" and "&" in shelf.texts[candidate.entry.bank]:
            try:
                _rewritten(shelf, candidate.entry.bank, {candidate.entry.key: candidate.data}, [])
            except SharedPart as error:
                candidate.entry.state, candidate.entry.reasons = "refused", [str(error)]
    return [candidate for candidate in found if candidate.entry.state != "refused"]


def _rewritten(shelf: Shelf, bank: str, changed: Mapping[str, dict[str, Any]], new: Sequence[dict[str, Any]]) -> str:
    return rewritten(shelf.texts[bank], shelf.paths[bank].name, changed, new)


def _lint_together(found: list[Candidate], plan: Plan, wishes: Wishes, shelf: Shelf) -> list[Candidate]:
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
            texts[bank] = _rewritten(shelf, bank, changed, new)
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
