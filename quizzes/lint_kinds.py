"""What each kind of item must look like: how many keys, options, steps or pairs, and which placeholders."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from quizzes.findings import Problem
from quizzes.item_specs import KINDS, ItemSpec
from quizzes.placeholders import MAX_COMBINATIONS, BadConstraint, combinations, fill, names_in


def answer_problems(item: ItemSpec) -> Iterator[Problem]:
    """The item has exactly one best answer, of the form that its kind asks for."""
    if item.kind not in KINDS:
        yield "error", f"kind is {item.kind!r}; it must be one of {', '.join(KINDS)}."
        return
    yield from (("error", message) for message in _SHAPES[item.kind](item))
    if item.kind != "computed" and (item.parameters or item.constraints):
        yield "error", "Only items of kind computed take parameters and constraints."
    if item.proof is not None and item.kind not in {"ordering", "computed"}:
        yield "error", "A proof of the item as a whole is for kind ordering; give each option (or pair) its own."


def _single(item: ItemSpec) -> Iterator[str]:
    yield from _keys(item, wanted=1)
    if not 3 <= len(item.options) <= 5:
        yield f"{len(item.options)} options; 3 to 5 are needed."
    yield from _repeated([option.text for option in item.options], "options")


def _multiple(item: ItemSpec) -> Iterator[str]:
    yield from _keys(item, wanted=2)
    if len(item.options) != 5:
        yield f"{len(item.options)} options; an item with two keys has 5."
    if "select two" not in item.stem.lower():
        yield "The stem must say 'Select two.'"
    yield from _repeated([option.text for option in item.options], "options")


def _ordering(item: ItemSpec) -> Iterator[str]:
    if not 4 <= len(item.options) <= 6:
        yield f"{len(item.options)} steps; 4 to 6 are needed."
    yield from _repeated([option.text for option in item.options], "steps")


def _matching(item: ItemSpec) -> Iterator[str]:
    pairs = [option for option in item.options if option.prompt]
    extra = [option.text for option in item.options if not option.prompt]
    if not 3 <= len(pairs) <= 5:
        yield f"{len(pairs)} pairs; 3 to 5 are needed."
    yield from _repeated([pair.prompt for pair in pairs], "prompts")
    yield from _repeated([*{pair.text for pair in pairs}, *extra], "matches")
    if len({pair.text.lower() for pair in pairs} | {text.lower() for text in extra}) < 3:
        yield "There are fewer than 3 different matches to choose from."


def _computed(item: ItemSpec) -> Iterator[str]:
    yield from _single(item)
    try:
        found = combinations(item.parameters, item.constraints)
    except BadConstraint as error:
        yield str(error)
        return
    if not 1 <= len(found) <= MAX_COMBINATIONS:
        yield f"{len(found)} combinations of parameters; 1 to {MAX_COMBINATIONS} are allowed."
    yield from _placeholders(item, found[0] if found else {})


def _placeholders(item: ItemSpec, combination: Mapping[str, Any]) -> Iterator[str]:
    """Every placeholder is a parameter or a fact, and every parameter shows."""
    texts = [item.stem, *(text for option in item.options for text in (option.text, option.rationale))]
    texts += [item.stimulus.code, item.stimulus.caption] if item.stimulus else []
    used = {name for text in texts for name in names_in(text)} | names_in(str((item.proof or {}).get("arguments", "")))
    filled = fill(" ".join(texts), combination, {})
    for name in sorted(name for name in names_in(filled) if not name.startswith("fact.")):
        yield f"{{{{{name}}}}} is no parameter of this item."
    for name in sorted(set(item.parameters) - {name.partition(".")[0] for name in used}):
        yield f"The parameter {name!r} is used nowhere."
    if not any(name.startswith("fact.") for option in item.options if option.is_key for name in names_in(option.text)):
        yield "The key must show a fact that the sandbox computes, such as {{fact.answered_by}}."


def _keys(item: ItemSpec, wanted: int) -> Iterator[str]:
    keys = sum(option.is_key for option in item.options)
    if keys != wanted:
        yield f"{keys} options are marked as key; exactly {'one is' if wanted == 1 else 'two are'} needed."


def _repeated(texts: list[str], what: str) -> Iterator[str]:
    counts = Counter(" ".join(text.lower().split()) for text in texts)
    yield from (f"Two {what} have the same text: {text[:60]!r}." for text, count in counts.items() if count > 1)


_SHAPES: dict[str, Callable[[ItemSpec], Iterator[str]]] = {
    "single": _single,
    "multiple": _multiple,
    "ordering": _ordering,
    "matching": _matching,
    "computed": _computed,
}
