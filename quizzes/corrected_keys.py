"""What is right about an item version by now: what it says itself, or what the newest correction of it says."""

from collections.abc import Sequence

from quizzes.models import ItemVersion, KeyFix, Option
from quizzes.scoring import first_with_text, right_answer

WITH_CORRECTIONS = "version__corrections__fix__to_version__options"
"""What to prefetch of attempt items, so that what is in force costs no further query."""


def options_in_force(version: ItemVersion) -> list[Option]:
    """The version's options in authoring order, with key, rationale and misconception as they were corrected since.

    Texts, positions and proofs stay those that were shown. The options are copies that cannot be saved.
    """
    own, right = list(version.options.all()), _corrected_to(version)
    return [_corrected(option, _counterpart(version.kind, option, right)) for option in own] if right else own


def right_in_force(version: ItemVersion) -> list[int]:
    """The answer that has the point by now, in the version's own positions (see quizzes.scoring)."""
    own, right = list(version.options.all()), _corrected_to(version)
    return right_by(version.kind, own, right) if right else right_answer(version.kind, own)


def right_now(version_id: int) -> list[int]:
    """The same, read anew: inside a transaction what holds in it."""
    return right_in_force(ItemVersion.objects.get(pk=version_id))


def right_by(kind: str, own: Sequence[Option], right: Sequence[Option]) -> list[int]:
    """The answer to a version with the options `own` that is right by those of another one: the same question.

    Steps are known by their text and pairs by their prompt, because a correction gives them other positions.
    """
    if kind == "ordering":
        return [first_with_text(own, step.text) for step in right]
    if kind == "matching":
        match = {pair.prompt: pair.text for pair in right if pair.prompt}
        return [first_with_text(own, match[pair.prompt]) for pair in own if pair.prompt]
    return right_answer(kind, right)


def same_question(kind: str, one: Sequence[Option], other: Sequence[Option]) -> bool:
    """Whether the two ask the same: the same options at the same positions, the same steps, or the same prompts and matches."""
    return _asked(kind, one) == _asked(kind, other)


def _asked(kind: str, options: Sequence[Option]) -> object:
    if kind == "ordering":
        return sorted(step.text for step in options)
    if kind == "matching":
        return [pair.prompt for pair in options if pair.prompt], {pair.text for pair in options}
    return [(option.position, option.text) for option in options]


def newest_fix(version: ItemVersion) -> KeyFix | None:
    """The fix that says what is right about this version; None when it was never corrected."""
    newest = max(version.corrections.all(), key=lambda correction: correction.pk, default=None)
    return newest.fix if newest else None


def _corrected_to(version: ItemVersion) -> list[Option]:
    """The options of the version that says what is right; empty when this one was never corrected."""
    fix = newest_fix(version)
    return list(fix.to_version.options.all()) if fix else []


def _counterpart(kind: str, option: Option, right: Sequence[Option]) -> Option | None:
    """What became of this option in the correcting version."""
    if kind == "ordering":
        return next((step for step in right if step.text == option.text), None)
    if kind == "matching":
        return next((pair for pair in right if pair.prompt and pair.prompt == option.prompt), None)
    return next((other for other in right if other.position == option.position), None)


def _corrected(option: Option, right: Option | None) -> Option:
    if right is None:
        return option
    is_as_before = (option.position, option.text, option.is_key) == (right.position, right.text, right.is_key)
    return Option(
        pk=option.pk,
        version_id=option.version_id,
        position=option.position,
        prompt=option.prompt,
        text=option.text,
        is_key=right.is_key,
        rationale=right.rationale,
        misconception=right.misconception,
        proof=option.proof if is_as_before else {},
    )
