"""The key that is in force for an item version: its own, or that of the newest correction."""

from collections.abc import Sequence
from typing import cast

from quizzes.models import ItemVersion, KeyCorrection, Option

WITH_CORRECTIONS = "version__corrections__fix__to_version__options"
"""What to prefetch of attempt items, so that `options_in_force` asks nothing more."""


def options_in_force(version: ItemVersion) -> list[Option]:
    """The version's options in authoring order, with key, rationale and misconception as they were corrected since.

    Texts, positions and proofs stay those that were shown. The options are copies that cannot be saved.
    """
    own = list(version.options.all())
    corrections = sorted(version.corrections.all(), key=lambda correction: correction.pk)
    if not corrections:
        return own
    right = {option.position: option for option in corrections[-1].fix.to_version.options.all()}
    return [_corrected(option, right.get(option.position)) for option in own]


def _corrected(option: Option, right: Option | None) -> Option:
    if right is None:
        return option
    proof = option.proof if option.is_key == right.is_key else {}
    return Option(
        pk=option.pk,
        version_id=option.version_id,
        position=option.position,
        prompt=option.prompt,
        text=option.text,
        is_key=right.is_key,
        rationale=right.rationale,
        misconception=right.misconception,
        proof=proof,
    )


def keys_in_force(version_id: int) -> list[int]:
    """Positions of the keys of a version of kind single or multiple, read anew: inside a transaction what holds in it."""
    correction = KeyCorrection.objects.filter(version=version_id).select_related("fix").order_by("-pk").first()
    holds = correction.fix.to_version_id if correction else version_id
    keys = Option.objects.filter(version=holds, is_key=True).order_by("position")
    return cast(list[int], list(keys.values_list("position", flat=True)))


def same_question(one: Sequence[Option], other: Sequence[Option]) -> bool:
    """Whether the same texts stand at the same positions."""
    return [(o.position, o.prompt, o.text) for o in one] == [(o.position, o.prompt, o.text) for o in other]
