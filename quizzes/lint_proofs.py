"""Rules for the proofs of an item: the program exists, its arguments fit, and key and distractors expect what they must."""

import inspect
from collections.abc import Iterator

from quizzes.bank_files import ItemSpec, OptionSpec
from quizzes.proofs.expectations import problems_with
from quizzes.proofs.programs import PROGRAMS


def proof_problems(item: ItemSpec) -> Iterator[str]:
    """One sentence for each thing that would keep the item's proofs from running or from meaning something."""
    for number, option in enumerate(item.options, 1):
        if option.proof is not None:
            yield from (f"Proof of option {number}: {problem}" for problem in _problems_of(option))


def _problems_of(option: OptionSpec) -> Iterator[str]:
    proof = option.proof
    assert proof is not None
    if proof["program"] not in PROGRAMS:
        yield f"there is no program {proof['program']!r}; there are {', '.join(sorted(PROGRAMS))}."
        return
    try:
        inspect.signature(PROGRAMS[proof["program"]].function).bind(None, **proof["arguments"])
    except TypeError as error:
        yield f"the arguments do not fit {proof['program']}: {error}."
    yield from (f"claims: {problem}." for problem in problems_with(proof["claims"]))
    if proof["observed"]:
        yield from (f"observed: {problem}." for problem in problems_with(proof["observed"]))
    elif not option.is_key:
        yield "a distractor needs the recorded observation that shows it wrong."
    if not option.is_key and proof["observed"] == proof["claims"]:
        yield "the recorded observation is what the distractor claims; it would be right."
