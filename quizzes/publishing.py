"""An author's draft of an item: read and linted as it is typed, and written to its bank file when nothing speaks against it."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from quizzes.bank_edit import Block, appended, block_of, blocks, replaced
from quizzes.bank_files import BankFileError, bank_paths, parse_bank, read_bank, read_catalogue
from quizzes.banks import add_to_form, load_item
from quizzes.findings import Finding
from quizzes.item_specs import BankSpec, ItemSpec
from quizzes.lint import lint, lint_item
from quizzes.lint_banks import bank_findings, findings_over_banks
from quizzes.models import Item, ItemEvent, Objective
from quizzes.variant_files import read_variants, record, recorded_for, write_atomically
from quizzes.variants import Computed
from sandbox.public import Person


class Conflict(Exception):
    """Somebody else has changed the item since the author opened it; `theirs` is what stands in the file now."""

    def __init__(self, theirs: Block | None) -> None:
        super().__init__("The item was changed by somebody else in the meantime.")
        self.theirs = theirs


class Refused(Exception):
    """The draft has errors; nothing was written."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


@dataclass(frozen=True)
class Draft:
    """What an author has typed for an item of a bank. `is_new`: the item is not in the file yet."""

    bank: str
    key: str
    text: str
    is_new: bool = False


@dataclass(frozen=True)
class Checked:
    """A draft that was read: the item (None when it cannot be read), what the linter says, and the file with it."""

    spec: ItemSpec | None
    findings: list[Finding]
    bank_text: str

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]


def banks_folder() -> Path:
    """Where the bank files are."""
    return Path(settings.FIXTURES_DIR) / "banks"


def bank_path(slug: str) -> Path:
    """The file of the bank with this slug; raises BankFileError when there is none."""
    for path in bank_paths(banks_folder()):
        bank = _read_once(path, path.stat().st_mtime_ns)
        if bank is not None and bank.slug == slug:
            return path
    raise BankFileError(f"There is no readable bank file of {slug!r}.")


def stored_block(slug: str, key: str) -> Block:
    """The item as it stands in its file."""
    path = bank_path(slug)
    return block_of(path.read_text(encoding="utf-8"), key, path.name)


def check(draft: Draft, *, thorough: bool = True) -> Checked:
    """Read and lint the draft within its bank; nothing is written.

    thorough: also find what the draft would do to its bank and exam as a whole, which takes longer.
    """
    try:
        path = bank_path(draft.bank)
        old_text = path.read_text(encoding="utf-8")
        text, where = bank_with(draft)
        bank = parse_bank(text, where)
    except BankFileError as error:
        return Checked(None, [Finding("error", "file", draft.key, str(error))], "")
    spec = next((item for item in bank.items if item.key == draft.key), None)
    if spec is None:
        message = f"The item's key must stay {draft.key!r}; another key is another item."
        return Checked(None, [Finding("error", "key", draft.key, message)], text)
    before = parse_bank(old_text, path.name) if thorough else None
    return Checked(spec, _findings(spec, bank, before), text)


def bank_with(draft: Draft) -> tuple[str, str]:
    """(the bank's text with the draft in it, the file's name)."""
    path = bank_path(draft.bank)
    text, where = path.read_text(encoding="utf-8"), path.name
    known = any(block.key == draft.key for block in blocks(text, where))
    if not draft.text.strip():
        raise BankFileError("The draft is empty.")
    found = replaced(text, block_of(text, draft.key, where), draft.text) if known else appended(text, draft.text, where)
    return found, where


def _findings(spec: ItemSpec, bank: BankSpec, before: BankSpec | None) -> list[Finding]:
    """What is about this item, and what is about its bank or exam and was not so `before`."""
    others = [other for other in readable_banks() if other.slug != bank.slug]
    over_all = list(findings_over_banks([*others, bank]))
    found = list(lint_item(spec, read_catalogue(banks_folder()), timezone.now().date()))
    found += [finding for finding in over_all if finding.where == spec.key]
    if before is not None:
        known = {(f.rule, f.where) for f in (*bank_findings(before), *findings_over_banks([*others, before]))}
        whole = [*bank_findings(bank), *(finding for finding in over_all if finding.where != spec.key)]
        found += [finding for finding in whole if (finding.rule, finding.where) not in known]
    return sorted(dict.fromkeys(found), key=lambda finding: (finding.level != "error", finding.rule))


def readable_banks() -> list[BankSpec]:
    """The banks of all files that can be read."""
    found = (_read_once(path, path.stat().st_mtime_ns) for path in bank_paths(banks_folder()))
    return [bank for bank in found if bank is not None]


@lru_cache(maxsize=200)
def _read_once(path: Path, changed_ns: int) -> BankSpec | None:
    """The bank of a file as it was written at `changed_ns`; None when it cannot be read."""
    try:
        return read_bank(path)
    except BankFileError:
        return None


def publish(
    draft: Draft,
    base_digest: str,
    author: Person,
    computed: Mapping[str, list[Computed]] | None = None,
    also: Callable[[Item], None] | None = None,
) -> Item:
    """Write the draft to its file and load it as the item's next version.

    base_digest: that of the block which the author began from; empty for a new item.
    computed: what a proof run of exactly this draft has computed, by item key.
    also: what else is to be written to the database, in the same transaction.

    Raises:
        Conflict: the file has another version of the item by now.
        Refused: the linter has errors.
        BankFileError: the file cannot be read or written.
    """
    with only_writer():
        path = bank_path(draft.bank)
        stands = next((b for b in blocks(path.read_text(encoding="utf-8"), path.name) if b.key == draft.key), None)
        if (stands.digest if stands else "") != base_digest:
            raise Conflict(stands)
        checked = check(draft)
        if checked.spec is None or checked.errors:
            raise Refused(checked.errors)
        return _write(checked, checked.spec, path, draft.bank, author, (computed or {}).get(draft.key, []), also)


def _write(
    checked: Checked,
    spec: ItemSpec,
    path: Path,
    bank: str,
    author: Person,
    computed: list[Computed],
    also: Callable[[Item], None] | None,
) -> Item:
    """The database first, since it can be rolled back when the file cannot be written."""
    folder = path.parent
    found = computed or recorded_for(spec, read_variants(folder))
    try:
        with transaction.atomic():
            Objective.objects.get(slug=spec.objective)
            item, is_new, is_changed = load_item(bank, spec, found)
            if is_new:
                add_to_form(bank, item)
            number = item.current.number if item.current else 0
            said = f"Version {number}." if is_changed else f"Only what is around the question; it stays version {number}."
            ItemEvent.objects.create(item=item, kind=ItemEvent.Kind.PUBLISHED, detail=said, actor=author)
            if also is not None:
                also(item)
            if computed:
                record(folder, {spec.key: (spec, computed)}, {i.key for b in readable_banks() for i in b.items} | {spec.key})
            write_atomically(path, checked.bank_text)
    except OSError as error:
        raise BankFileError(f"{path.name} could not be written ({error}); nothing was changed.") from error
    except Objective.DoesNotExist:
        raise BankFileError(f"The objective {spec.objective!r} is not loaded yet; run manage.py load_banks.") from None
    return item


@contextmanager
def only_writer() -> Iterator[None]:
    """One process at a time changes the bank files; the kernel gives the lock back when a process dies."""
    with (settings.DATA_DIR / "banks.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def all_findings() -> list[Finding]:
    """What the linter says about all files that can be read, and which cannot."""
    banks, unreadable = [], []
    for path in bank_paths(banks_folder()):
        try:
            banks.append(read_bank(path))
        except BankFileError as error:
            unreadable.append(Finding("error", "file", path.stem, str(error)))
    return [*unreadable, *lint(banks, read_catalogue(banks_folder()), timezone.now().date())]
