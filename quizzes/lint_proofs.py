"""Rules for the proofs of an item: the program exists, its arguments fit, and key and distractors expect what they must."""

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from quizzes.item_specs import ItemSpec, OptionSpec
from quizzes.proofs.expectations import problems_with
from quizzes.proofs.programs import PROGRAMS


def proof_problems(item: ItemSpec) -> Iterator[str]:
    """One sentence for each thing that would keep the item's proofs from running or from meaning something."""
    for number, option in enumerate(item.options, 1):
        if option.proof is not None:
            yield from (f"Proof of option {number}: {problem}" for problem in _problems_of(option, item.kind))
    if item.proof is not None:
        yield from (f"Proof of the item: {problem}" for problem in _problems_of_item(item.proof, item.kind))


def _problems_of(option: OptionSpec, kind: str) -> Iterator[str]:
    proof = option.proof
    assert proof is not None
    yield from _call_problems(proof)
    if kind == "computed":
        yield "the options of a computed item are proved by its compute program alone."
    elif kind == "matching":
        yield from _observation_problems(proof)
    else:
        yield from _choice_problems(proof, is_key=option.is_key)


def _problems_of_item(proof: Mapping[str, Any], kind: str) -> Iterator[str]:
    yield from _call_problems(proof)
    if kind == "ordering":
        yield from _observation_problems(proof)


def _call_problems(proof: Mapping[str, Any]) -> Iterator[str]:
    """The program exists and takes these arguments."""
    if proof["program"] not in PROGRAMS:
        alike = get_close_matches(proof["program"], PROGRAMS, n=3, cutoff=0.4)
        yield f"there is no program {proof['program']!r}{'; do you mean ' + ' or '.join(alike) + '?' if alike else '.'}"
        return
    try:
        inspect.signature(PROGRAMS[proof["program"]].function).bind(None, **proof["arguments"])
    except TypeError as error:
        yield f"the arguments do not fit {proof['program']}: {error}."


def _choice_problems(proof: Mapping[str, Any], *, is_key: bool) -> Iterator[str]:
    """A key claims what is seen; a distractor claims one thing and records another."""
    yield from (f"claims: {problem}." for problem in problems_with(proof["claims"]))
    if proof["observed"]:
        yield from (f"observed: {problem}." for problem in problems_with(proof["observed"]))
    elif not is_key:
        yield "a distractor needs the recorded observation that shows it wrong."
    if not is_key and proof["observed"] == proof["claims"]:
        yield "the recorded observation is what the distractor claims; it would be right."


def _observation_problems(proof: Mapping[str, Any]) -> Iterator[str]:
    """A step or a pair claims nothing against the others: it records what is seen."""
    yield from (f"observed: {problem}." for problem in problems_with(proof["observed"] or proof["claims"]))
