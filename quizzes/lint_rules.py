"""Rules of item writing that one item can break by itself; pure.

The rules are those of Haladyna, Downing and Rodriguez (2002), as far as text alone can show a breach.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from statistics import mean

from quizzes.findings import Problem
from quizzes.item_specs import Catalogue, ItemSpec, OptionSpec
from quizzes.lint_kinds import answer_problems
from quizzes.lint_proofs import proof_problems
from quizzes.placeholders import without_placeholders
from quizzes.proofs.programs import PROGRAMS

LONGEST_LIFE_DAYS = 180
LENGTH_CUE = (0.67, 1.5)
BLOOM = ("remember", "understand", "apply", "analyse", "evaluate")
DIFFICULTIES = ("easy", "medium", "hard")
LANGUAGES = ("json", "python", "sql", "http", "text")

_LETTER = re.compile(
    r"\b(?:option|answer|choice)s?\s+[A-E]\b|\b[A-E]\s+(?:is|was)\s+(?:wrong|right|correct|incorrect)\b"
    r"|\b(?:first|second|third|fourth|fifth|last)\s+(?:option|answer|choice)\b|\b(?:option|answer|choice)\s+[1-5]\b"
)
_ALL_OR_NONE = re.compile(
    r"\b(?:all|none|both|neither)\s+of\s+the(?:se)?\s+(?:above|below|options|answers|others)\b|\b[A-E]\s+and\s+[A-E]\b", re.I
)
_SELECT = re.compile(r"\s*\(?select two\.?\)?\s*$", re.I)
_NEGATIVE = re.compile(r"\b(?:not|except|never)\b", re.I)
_ABSOLUTE = re.compile(r"\b(?:always|never|only|all|every|must)\b", re.I)
_VAGUE = re.compile(r"\b(?:sometimes|usually|often|frequently|generally)\b", re.I)
_WORD = re.compile(r"[a-z_]{5,}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_OBSERVED = re.compile(r"observed:\s*([a-z_][a-z0-9_]*)")


def _one_key(item: ItemSpec) -> Iterator[Problem]:
    yield from answer_problems(item)


def _letters(item: ItemSpec) -> Iterator[Problem]:
    for text in _texts(item):
        if found := _LETTER.search(text):
            yield "error", f"{found.group()!r} refers to an option by its letter or place; options are shuffled."


def _all_or_none(item: ItemSpec) -> Iterator[Problem]:
    for option in item.options:
        if found := _ALL_OR_NONE.search(option.text):
            yield "error", f"{found.group()!r}: no option may speak about the others."


def _negative_stem(item: ItemSpec) -> Iterator[Problem]:
    question = re.split(r"(?<=[.!])\s+", _SELECT.sub("", item.stem))[-1]
    if (found := _NEGATIVE.search(question)) and not found.group().isupper():
        yield "warning", f"The question contains {found.group()!r}; turn it round, or write NOT in capitals and justify it."


def _question(item: ItemSpec) -> Iterator[Problem]:
    if item.is_choice and not _SELECT.sub("", item.stem).endswith("?"):
        yield "warning", "The stem should be a question that can be answered without the options."


def _length_cue(item: ItemSpec) -> Iterator[Problem]:
    keys, others = _keys_and_others(item)
    if item.kind == "computed" or not keys or not others:
        return
    ratio = mean(len(option.text) for option in keys) / mean(len(option.text) for option in others)
    if not LENGTH_CUE[0] <= ratio <= LENGTH_CUE[1]:
        yield (
            "warning",
            f"The key is {ratio:.2f} times as long as the mean distractor ({LENGTH_CUE[0]} to {LENGTH_CUE[1]} is fine).",
        )


def _loose_words(item: ItemSpec) -> Iterator[Problem]:
    keys, others = _keys_and_others(item)
    for pattern, kind in ((_ABSOLUTE, "absolute"), (_VAGUE, "vague")):
        in_key = any(pattern.search(without_placeholders(option.text)) for option in keys)
        in_others = [option.text for option in others if pattern.search(without_placeholders(option.text))]
        if keys and in_others and not in_key:
            yield "warning", f"The {kind} word in {in_others[0][:50]!r} gives a distractor away."


def _clang(item: ItemSpec) -> Iterator[Problem]:
    keys, others = _keys_and_others(item)
    if not keys or not others:
        return
    stem = set(_WORD.findall(item.stem.lower()))
    in_keys = {word for option in keys for word in _WORD.findall(without_placeholders(option.text).lower())}
    in_others = {word for option in others for word in _WORD.findall(without_placeholders(option.text).lower())}
    if shared := (stem & in_keys) - in_others:
        yield "warning", f"Only the key repeats {', '.join(sorted(shared))} from the stem."


def _numbers_in_order(item: ItemSpec) -> Iterator[Problem]:
    numbers = [_NUMBER.fullmatch(option.text.strip(" %")) for option in item.options]
    if item.is_choice and all(numbers):
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
    if item.difficulty not in DIFFICULTIES:
        yield "error", f"difficulty is {item.difficulty!r}; it must be one of {', '.join(DIFFICULTIES)}."


def _stimulus(item: ItemSpec) -> Iterator[Problem]:
    shown = item.stimulus
    if shown is None:
        return
    if shown.language not in LANGUAGES:
        yield "error", f"The stimulus is of language {shown.language!r}; it must be one of {', '.join(LANGUAGES)}."
    if item.kind != "computed" and (problem := _does_not_parse(shown.language, shown.code)):
        yield "warning", f"The stimulus is no valid {shown.language}: {problem}. If that is meant, say language: text."


def _does_not_parse(language: str, code: str) -> str:
    try:
        if language == "json" and "…" not in code and "..." not in code:
            json.loads(code)
        if language == "python":
            ast.parse(code)
    except (ValueError, SyntaxError) as error:
        return str(error)
    return ""


def _evidence(item: ItemSpec) -> Iterator[Problem]:
    for entry in item.evidence:
        observed = _OBSERVED.match(entry.source)
        if not observed and not entry.source.startswith("https://"):
            yield "error", f"The evidence {entry.source!r} is neither an https address nor 'observed: program(arguments)'."
        if observed and observed[1] not in PROGRAMS:
            yield "error", f"The evidence names the program {observed[1]!r}, which does not exist."
        if entry.dated > item.checked_on:
            yield "error", f"The evidence of {entry.dated} is younger than the check."


def _proofs(item: ItemSpec) -> Iterator[Problem]:
    yield from (("error", problem) for problem in proof_problems(item))
    if not item.has_full_proof and not item.no_proof:
        what = "Some options have a proof and others do not" if item.has_some_proof else "There is no proof"
        yield "error", f"{what}: add what is missing, or say in no_proof why it cannot be run."
    if item.has_full_proof and item.no_proof:
        yield "error", "no_proof says that something cannot be run, but everything has a proof."


def _tags(item: ItemSpec, catalogue: Catalogue) -> Iterator[Problem]:
    for option in item.options:
        if option.rationale and option.misconception not in catalogue.misconceptions:
            yield "error", f"The misconception {option.misconception!r} is not in misconceptions.yaml."
    keys, others = _keys_and_others(item)
    of_distractors = {option.misconception for option in others}
    for option in keys:
        if others and option.misconception not in of_distractors:
            yield "error", f"The key's misconception {option.misconception!r} is that of no distractor."


def _place(item: ItemSpec, catalogue: Catalogue) -> Iterator[Problem]:
    if item.objective not in catalogue.objective_slugs:
        yield "error", f"The objective {item.objective!r} is not in blueprints.yaml."
    if item.exam not in catalogue.exam_slugs:
        yield "error", f"exam is {item.exam!r}; it must be one of {', '.join(sorted(catalogue.exam_slugs))}."
    elif item.objective not in catalogue.objectives_of(item.exam):
        yield "warning", f"The blueprint of {item.exam} has no line for the objective {item.objective!r}."


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
    _stimulus,
    _evidence,
    _proofs,
)


def item_problems(item: ItemSpec, catalogue: Catalogue, today: date) -> Iterator[tuple[str, Problem]]:
    """(name of the rule, problem) for every breach that the item shows by itself."""
    for rule in ITEM_RULES:
        yield from ((rule.__name__.strip("_"), problem) for problem in rule(item))
    yield from (("tags", problem) for problem in (*_tags(item, catalogue), *_place(item, catalogue)))
    yield from (("dates", problem) for problem in _dates(item, today))


def _keys_and_others(item: ItemSpec) -> tuple[list[OptionSpec], list[OptionSpec]]:
    """Keys and distractors of a choice; both empty for what is arranged."""
    if not item.is_choice:
        return [], []
    return [option for option in item.options if option.is_key], [option for option in item.options if not option.is_key]


def _texts(item: ItemSpec) -> list[str]:
    return [item.stem, *(text for option in item.options for text in (option.prompt, option.text, option.rationale))]
