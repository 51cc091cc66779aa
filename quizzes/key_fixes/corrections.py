"""What an author says is right: laid over the item in its bank file, and over the versions that asked the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from quizzes.bank_files import BankFileError, parse_bank, parse_mapping
from quizzes.banks import content_digest
from quizzes.corrected_keys import right_by, right_in_force, same_question
from quizzes.findings import Finding
from quizzes.item_specs import ItemSpec
from quizzes.key_fixes.bank_words import corrected_text
from quizzes.models import Item, ItemVersion, Kind, Option
from quizzes.publishing import Draft, bank_path, banks_folder, check, stored_block
from quizzes.variant_files import read_variants, recorded_for


class NotFixable(Exception):
    """The key of this item cannot be corrected on the page; the message says what to do instead."""


@dataclass(frozen=True)
class Correction:
    """The right answer, and words for each option, step or pair in authoring order; all by the item's current version."""

    right: tuple[int, ...]
    """As quizzes.scoring has it: positions of the keys, of the steps in their right order, or of the match of each prompt."""
    rationales: tuple[str, ...]
    misconceptions: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A correction as it would stand in the bank file, and what the linter says about it."""

    draft: Draft
    base_digest: str
    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]


def fixable_version(item: Item) -> ItemVersion:
    """The version that is corrected; raises NotFixable when the item has none."""
    if item.current is None:
        raise NotFixable("The item has no version yet. Load its bank with manage.py load_banks.")
    return item.current


def prepare(item: Item, correction: Correction) -> Prepared:
    """Lay the correction over the item in its file. Raises NotFixable or BankFileError; nothing is written."""
    version = fixable_version(item)
    block = stored_block(item.bank, item.key)
    path = bank_path(item.bank)
    text = path.read_text(encoding="utf-8")
    spec = next(each for each in parse_bank(text, path.name).items if each.key == item.key)
    if _digest(spec) != version.content_sha256:
        raise NotFixable("The bank file has changes to this item that are not loaded. Run manage.py load_banks first.")
    raw = next(each for each in parse_mapping(text, path.name)["items"] if each["key"] == item.key)
    words = list(zip(correction.rationales, correction.misconceptions, strict=True))
    try:
        draft = Draft(item.bank, item.key, corrected_text(raw, version, correction.right, words, text, path.name))
    except BankFileError as error:
        raise NotFixable(str(error)) from None
    return Prepared(draft, block.digest, check(draft).findings)


def _digest(spec: ItemSpec) -> str:
    recorded = recorded_for(spec, read_variants(banks_folder())) if spec.kind == Kind.COMPUTED else []
    return content_digest(spec, recorded)


def corrected_versions(version: ItemVersion) -> list[ItemVersion]:
    """The versions that a fix of `version` corrects: it, and older ones that asked the same and have the same answer in force."""
    options, right = list(version.options.all()), right_in_force(version)
    older = version.item.versions.filter(kind=version.kind).prefetch_related("options", "corrections__fix__to_version__options")
    asking = [each for each in older if same_question(version.kind, list(each.options.all()), options)]
    now = arranged(version.kind, options, right)
    return [each for each in asking if right_in_force(each) == right_by(version.kind, list(each.options.all()), now)]


def right_for(version: ItemVersion, corrected: ItemVersion, right: Sequence[int]) -> list[int]:
    """The answer to `version` that is right when `right` is so for `corrected`, which asks the same."""
    kind = corrected.kind
    return right_by(kind, list(version.options.all()), arranged(kind, list(corrected.options.all()), right))


def arranged(kind: str, options: Sequence[Option], right: Sequence[int]) -> list[Option]:
    """Copies of the options as a version has them whose right answer this is; they cannot be saved."""
    by_position = {option.position: option for option in options}
    if kind == Kind.ORDERING:
        return [_copy(by_position[position], number) for number, position in enumerate(right, 1)]
    if kind == Kind.MATCHING:
        pairs = [option for option in options if option.prompt]
        return [_copy(pair, pair.position, by_position[match].text) for pair, match in zip(pairs, right, strict=True)]
    return [_copy(option, option.position, is_key=option.position in right) for option in options]


def _copy(option: Option, position: int, text: str = "", *, is_key: bool = True) -> Option:
    return Option(position=position, prompt=option.prompt, text=text or option.text, is_key=is_key)
