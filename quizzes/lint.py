"""Rules of item writing that a machine can enforce; pure. Errors block a bank, warnings are listed.

The rules are those of Haladyna, Downing and Rodriguez (2002), as far as text alone can show a breach.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, groupby
from statistics import mean
from typing import Literal

from quizzes.bank_files import BankSpec, Catalogue, ItemSpec
from quizzes.lint_proofs import proof_problems

LONGEST_LIFE_DAYS = 180
CHI_SQUARE_LIMITS = {1: 6.635, 2: 9.210, 3: 11.345, 4: 13.277}
"""Upper 1 % points of chi-square by degrees of freedom."""
LONGEST_RUN = 3
LENGTH_CUE = (0.67, 1.5)
NEAR_DUPLICATE = 0.6
BLOOM = ("remember", "understand", "apply", "analyse", "evaluate")

_LETTER = re.compile(r"\b(?:option|answer|choice)s?\s+[A-E]\b|\b[A-E]\s+(?:is|was)\s+(?:wrong|right|correct|incorrect)\b")
_ALL_OR_NONE = re.compile(
    r"\b(?:all|none|both|neither)\s+of\s+the(?:se)?\s+(?:above|below|options|answers)\b|\b[A-E]\s+and\s+[A-E]\b", re.I
)
_NEGATIVE = re.compile(r"\b(?:not|except|never)\b", re.I)
_ABSOLUTE = re.compile(r"\b(?:always|never|only|all|every|must)\b", re.I)
_VAGUE = re.compile(r"\b(?:sometimes|usually|often|frequently|generally)\b", re.I)
_WORD = re.compile(r"[a-z_]{5,}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Finding:
    """One breach of a rule. `where` is a bank or an item key."""

    level: Literal["error", "warning"]
    rule: str
    where: str
    message: str


def lint(banks: Sequence[BankSpec], catalogue: Catalogue, today: date) -> list[Finding]:
    """All findings, errors first."""
    findings = [finding for bank in banks for finding in lint_bank(bank, catalogue, today)]
    findings += _repeated_keys(banks)
    return sorted(findings, key=lambda finding: (finding.level != "error", finding.where, finding.rule))


def lint_bank(bank: BankSpec, catalogue: Catalogue, today: date) -> Iterator[Finding]:
    """Findings of one bank: its items, and what shows only in the whole."""
    if not bank.declaration:
        yield Finding("error", "declaration", bank.slug, "Declare that the wording is your own and no recalled exam content.")
    yield from _key_positions(bank)
    yield from _longest_is_key(bank)
    yield from _near_duplicates(bank)
    for item in bank.items:
        yield from lint_item(item, catalogue, today)


def lint_item(item: ItemSpec, catalogue: Catalogue, today: date) -> Iterator[Finding]:
    """Findings that one item shows by itself."""
    for rule in ITEM_RULES:
        for level, message in rule(item):
            yield Finding(level, rule.__name__.strip("_"), item.key, message)
    for level, message in _tags(item, catalogue):
        yield Finding(level, "tags", item.key, message)
    for level, message in _dates(item, today):
        yield Finding(level, "dates", item.key, message)


Problem = tuple[Literal["error", "warning"], str]


# --- rules of one item ----------------------------------------------------------------------------


def _one_key(item: ItemSpec) -> Iterator[Problem]:
    keys = sum(option.is_key for option in item.options)
    if keys != 1:
        yield "error", f"{keys} options are marked as key; exactly one is needed."
    if not 3 <= len(item.options) <= 4:
        yield "error", f"{len(item.options)} options; 3 or 4 are needed."
    texts = Counter(option.text.lower() for option in item.options)
    if any(count > 1 for count in texts.values()):
        yield "error", "Two options have the same text."


def _letters(item: ItemSpec) -> Iterator[Problem]:
    for text in _texts(item):
        if found := _LETTER.search(text):
            yield "error", f"{found.group()!r} refers to an option by its letter; options are shuffled."


def _all_or_none(item: ItemSpec) -> Iterator[Problem]:
    for option in item.options:
        if found := _ALL_OR_NONE.search(option.text):
            yield "error", f"{found.group()!r}: no option may speak about the others."


def _negative_stem(item: ItemSpec) -> Iterator[Problem]:
    question = re.split(r"(?<=[.!])\s+", item.stem)[-1]
    if (found := _NEGATIVE.search(question)) and not found.group().isupper():
        yield "warning", f"The question contains {found.group()!r}; turn it round, or write NOT in capitals and justify it."


def _question(item: ItemSpec) -> Iterator[Problem]:
    if not item.stem.endswith("?"):
        yield "warning", "The stem should be a question that can be answered without the options."


def _length_cue(item: ItemSpec) -> Iterator[Problem]:
    if item.key_position < 0 or len(item.options) < 2:
        return
    ratio = len(item.options[item.key_position].text) / mean(len(option.text) for option in item.options if not option.is_key)
    if not LENGTH_CUE[0] <= ratio <= LENGTH_CUE[1]:
        yield (
            "warning",
            f"The key is {ratio:.2f} times as long as the mean distractor ({LENGTH_CUE[0]} to {LENGTH_CUE[1]} is fine).",
        )


def _loose_words(item: ItemSpec) -> Iterator[Problem]:
    for pattern, kind in ((_ABSOLUTE, "absolute"), (_VAGUE, "vague")):
        in_key = any(pattern.search(option.text) for option in item.options if option.is_key)
        in_others = [option.text for option in item.options if not option.is_key and pattern.search(option.text)]
        if in_others and not in_key:
            yield "warning", f"The {kind} word in {in_others[0][:50]!r} gives a distractor away."


def _clang(item: ItemSpec) -> Iterator[Problem]:
    if item.key_position < 0:
        return
    stem = set(_WORD.findall(item.stem.lower()))
    key = set(_WORD.findall(item.options[item.key_position].text.lower()))
    others = {word for option in item.options if not option.is_key for word in _WORD.findall(option.text.lower())}
    if shared := (stem & key) - others:
        yield "warning", f"Only the key repeats {', '.join(sorted(shared))} from the stem."


def _numbers_in_order(item: ItemSpec) -> Iterator[Problem]:
    numbers = [_NUMBER.fullmatch(option.text.strip(" %")) for option in item.options]
    if all(numbers):
        values = [float(number.group()) for number in numbers if number]
        if values != sorted(values) and values != sorted(values, reverse=True):
            yield "warning", "Options that are numbers should stand in order."


def _naming(item: ItemSpec) -> Iterator[Problem]:
    if bool(item.exam_wording) != bool(item.current_name):
        yield "error", "Give both exam_wording and current_name, or neither."
    if not item.source.url.startswith("https://"):
        yield "error", f"The source {item.source.url!r} is no https address."
    if item.bloom not in BLOOM:
        yield "error", f"bloom is {item.bloom!r}; it must be one of {', '.join(BLOOM)}."


def _proofs(item: ItemSpec) -> Iterator[Problem]:
    yield from (("error", problem) for problem in proof_problems(item))
    if any(option.proof for option in item.options) and not all(option.proof for option in item.options):
        yield "warning", "Some options have a proof and others do not."


ITEM_RULES: tuple[Callable[[ItemSpec], Iterator[Problem]], ...] = (
    _one_key,
    _letters,
    _all_or_none,
    _negative_stem,
    _question,
    _length_cue,
    _loose_words,
    _clang,
    _numbers_in_order,
    _naming,
    _proofs,
)


def _tags(item: ItemSpec, catalogue: Catalogue) -> Iterator[Problem]:
    if item.objective not in catalogue.objective_slugs:
        yield "error", f"The objective {item.objective!r} is not in blueprints.yaml."
    for option in item.options:
        if option.misconception not in catalogue.misconceptions:
            yield "error", f"The misconception {option.misconception!r} is not in misconceptions.yaml."
    distractors = {option.misconception for option in item.options if not option.is_key}
    for option in item.options:
        if option.is_key and option.misconception not in distractors:
            yield "error", f"The key's misconception {option.misconception!r} is that of no distractor."


def _dates(item: ItemSpec, today: date) -> Iterator[Problem]:
    if item.checked_on > today:
        yield "error", f"checked_on {item.checked_on} lies in the future."
    life_days = (item.expires_on - item.checked_on).days
    if not 0 < life_days <= LONGEST_LIFE_DAYS:
        yield "error", f"The item expires {life_days} days after its check; 1 to {LONGEST_LIFE_DAYS} are allowed."
    if item.source.dated > item.checked_on:
        yield "error", "The source is younger than the check."
    if item.expires_on < today:
        yield "warning", f"Expired on {item.expires_on}: out of circulation until it is checked again."


# --- rules of a whole bank ------------------------------------------------------------------------


def _key_positions(bank: BankSpec) -> Iterator[Finding]:
    positions = [item.key_position for item in bank.items if item.key_position >= 0]
    if not positions:
        return
    longest = max(sum(1 for _ in run) for _, run in groupby(positions))
    if longest > LONGEST_RUN:
        yield Finding("error", "key_positions", bank.slug, f"{longest} keys in a row stand at the same position.")
    places = max(len(item.options) for item in bank.items)
    expected = len(positions) / places
    counts = Counter(positions)
    statistic = sum((counts.get(place, 0) - expected) ** 2 / expected for place in range(places))
    if statistic > CHI_SQUARE_LIMITS.get(places - 1, 13.277):
        shown = ", ".join(f"{counts.get(place, 0)} at {place + 1}" for place in range(places))
        yield Finding("error", "key_positions", bank.slug, f"The keys are not spread over the positions: {shown}.")


def _longest_is_key(bank: BankSpec) -> Iterator[Finding]:
    judged = [item for item in bank.items if item.key_position >= 0]
    if not judged:
        return
    cued = [item for item in judged if _key_is_longest(item)]
    allowed = 1 / max(len(item.options) for item in judged) + 0.1
    if len(cued) / len(judged) > allowed:
        names = ", ".join(item.key for item in cued)
        share = f"{len(cued)} of {len(judged)}"
        message = f"In {share} items the key is the longest option ({allowed:.0%} may be): {names}."
        yield Finding("error", "longest_is_key", bank.slug, message)


def _key_is_longest(item: ItemSpec) -> bool:
    return all(len(item.options[item.key_position].text) > len(option.text) for option in item.options if not option.is_key)


def _near_duplicates(bank: BankSpec) -> Iterator[Finding]:
    for one, other in combinations(bank.items, 2):
        first, second = _shingles(one.stem), _shingles(other.stem)
        if first and second and len(first & second) / len(first | second) > NEAR_DUPLICATE:
            yield Finding("warning", "near_duplicate", one.key, f"The stem is nearly that of {other.key}.")


def _repeated_keys(banks: Sequence[BankSpec]) -> list[Finding]:
    counts = Counter(item.key for bank in banks for item in bank.items)
    return [Finding("error", "unique_key", key, f"{count} items have this key.") for key, count in counts.items() if count > 1]


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[index : index + 3]) for index in range(len(words) - 2)}


def _texts(item: ItemSpec) -> list[str]:
    return [item.stem, *(option.text for option in item.options), *(option.rationale for option in item.options)]
