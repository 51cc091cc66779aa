"""Rules that show only in many items together: where the keys stand, what the longest option is, what says the same; pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

from quizzes.findings import Finding
from quizzes.item_specs import BankSpec, ItemSpec

CHI_SQUARE_LIMITS = {1: 6.635, 2: 9.210, 3: 11.345, 4: 13.277}
"""Upper 1 % points of chi-square by degrees of freedom."""
LONGEST_RUN = 3
TOO_ALIKE = 0.6
RATHER_ALIKE = 0.4
"""Shares of common word triples in stem and key above which two items are nearly one (error, warning)."""
GIVEN_AWAY = 0.8
"""Share of the triples of a key in another item's stem above which that stem gives the key away."""
SHORTEST_KEY = 4
"""Triples that a key must have before another stem can give it away; short keys occur everywhere."""

COMMONPLACE = 300
"""Items from which on a triple in common says nothing; counting pairs of more would take minutes."""

Triple = tuple[str, str, str]


def bank_findings(bank: BankSpec) -> Iterator[Finding]:
    """What shows only in the whole of a bank file."""
    if not bank.declaration:
        yield Finding("error", "declaration", bank.slug, "Declare that the wording is your own and no recalled exam content.")
    yield from _key_runs(bank.slug, bank.items)
    yield from _key_spread(bank.slug, bank.items)
    yield from _longest_is_key(bank.slug, bank.items)


def findings_over_banks(banks: Sequence[BankSpec]) -> Iterator[Finding]:
    """What shows only over all banks: by exam, and between items of different files."""
    items = [item for bank in banks for item in bank.items]
    for exam in sorted({item.exam for item in items} - {""}):
        of_exam = [item for item in items if item.exam == exam]
        yield from _key_spread(exam, of_exam)
        yield from _longest_is_key(exam, of_exam)
    counts = Counter(item.key for item in items)
    for key, count in counts.items():
        if count > 1:
            yield Finding("error", "unique_key", key, f"{count} items have this key.")
    yield from _near_duplicates(items)
    yield from _given_away(items)


# --- keys -----------------------------------------------------------------------------------------


def _key_runs(where: str, items: Sequence[ItemSpec]) -> Iterator[Finding]:
    positions = [item.key_position for item in items if item.kind in {"single", "computed"} and item.key_position >= 0]
    longest = max((sum(1 for _ in run) for _, run in groupby(positions)), default=0)
    if longest > LONGEST_RUN:
        yield Finding("error", "key_positions", where, f"{longest} keys in a row stand at the same position.")


def _key_spread(where: str, items: Sequence[ItemSpec]) -> Iterator[Finding]:
    """Chi-square of the key positions against what items with 3, 4 and 5 options would have by chance."""
    counts: Counter[int] = Counter()
    expected: defaultdict[int, float] = defaultdict(float)
    for item in items:
        keys = [place for place, option in enumerate(item.options) if option.is_key]
        if not item.is_choice or not keys:
            continue
        counts.update(keys)
        for place in range(len(item.options)):
            expected[place] += len(keys) / len(item.options)
    statistic = sum((counts[place] - wanted) ** 2 / wanted for place, wanted in expected.items())
    if statistic > CHI_SQUARE_LIMITS.get(len(expected) - 1, 13.277):
        shown = ", ".join(f"{counts[place]} at {place + 1}" for place in sorted(expected))
        yield Finding("error", "key_positions", where, f"The keys are not spread over the positions: {shown}.")


def _longest_is_key(where: str, items: Sequence[ItemSpec]) -> Iterator[Finding]:
    judged = [item for item in items if item.kind == "single" and item.key_position >= 0]
    if not judged:
        return
    cued = [item for item in judged if key_is_longest(item)]
    allowed = sum(1 / len(item.options) for item in judged) / len(judged) + 0.1
    if len(cued) / len(judged) > allowed:
        names = ", ".join(item.key for item in cued)
        share = f"{len(cued)} of {len(judged)}"
        message = f"In {share} items the key is the longest option ({allowed:.0%} may be): {names}."
        yield Finding("error", "longest_is_key", where, message)


def key_is_longest(item: ItemSpec) -> bool:
    """Whether every distractor is shorter than the key."""
    return all(len(item.options[item.key_position].text) > len(option.text) for option in item.options if not option.is_key)


# --- items that say the same ----------------------------------------------------------------------


def _near_duplicates(items: Sequence[ItemSpec]) -> Iterator[Finding]:
    """Pairs whose stems and keys share most of their word triples; only pairs with a triple in common are compared."""
    triples = [_triples(_stem_and_key(item)) for item in items]
    holders: defaultdict[Triple, list[int]] = defaultdict(list)
    for number, own in enumerate(triples):
        for triple in own:
            holders[triple].append(number)
    shared: Counter[tuple[int, int]] = Counter()
    for numbers in holders.values():
        if len(numbers) > COMMONPLACE:
            continue
        shared.update((one, other) for place, one in enumerate(numbers) for other in numbers[place + 1 :])
    for (one, other), common in sorted(shared.items()):
        alike = common / (len(triples[one]) + len(triples[other]) - common)
        if alike > RATHER_ALIKE:
            level = "error" if alike > TOO_ALIKE else "warning"
            message = f"Stem and key are nearly those of {items[other].key} ({alike:.0%} of the word triples)."
            yield Finding("error" if level == "error" else "warning", "near_duplicate", items[one].key, message)


def _given_away(items: Sequence[ItemSpec]) -> Iterator[Finding]:
    """Keys that can be read in the stem of another item for the same exam."""
    holders: defaultdict[Triple, list[int]] = defaultdict(list)
    for number, other in enumerate(items):
        for triple in _triples(_stem(other)):
            holders[triple].append(number)
    for item in items:
        if item.kind not in {"single", "multiple"}:
            continue
        for key in map(_triples, item.key_texts):
            if len(key) < SHORTEST_KEY:
                continue
            shared = Counter(number for triple in key for number in holders.get(triple, ()))
            for number, common in sorted(shared.items()):
                other = items[number]
                if other is not item and other.exam == item.exam and common / len(key) >= GIVEN_AWAY:
                    yield Finding("warning", "given_away", item.key, f"The stem of {other.key} gives the key away.")


def _stem(item: ItemSpec) -> str:
    return f"{item.stem} {item.stimulus.code if item.stimulus else ''}"


def _stem_and_key(item: ItemSpec) -> str:
    return " ".join((_stem(item), *item.key_texts))


def _triples(text: str) -> set[Triple]:
    words = re.findall(r"\w+", text.lower())
    return {(words[place], words[place + 1], words[place + 2]) for place in range(len(words) - 2)}
