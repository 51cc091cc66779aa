"""A question as one attempt shows it: texts with the variant's values, everything to arrange or choose in the attempt's order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quizzes.corrected_keys import options_in_force, right_in_force
from quizzes.models import Attempt, AttemptItem, ItemVariant, ItemVersion, Option
from quizzes.option_order import shuffled
from quizzes.placeholders import fill
from quizzes.scoring import first_with_text

MATCHES = 1000
"""Added to the position of a question to shuffle its matches apart from its prompts."""


class NoSuchAnswer(Exception):
    """The submitted numbers are no answer to this question; the message says what would be one."""


@dataclass(frozen=True)
class ShownPart:
    """An option, step, pair or extra match with everything filled in."""

    pk: int
    position: int
    prompt: str
    text: str
    is_key: bool
    rationale: str
    misconception: str
    proof: Mapping[str, Any]


@dataclass(frozen=True)
class Presented:
    """`parts` in the order in which they are shown: options, steps, or the prompts of a matching; numbers begin at 1."""

    kind: str
    stem: str
    stimulus: Mapping[str, str]
    parts: tuple[ShownPart, ...]
    matches: tuple[ShownPart, ...]
    """Matching: what a prompt can be matched to, each text once."""
    right: tuple[int, ...]
    """The answer that has the point by the key in force, in authoring positions (see quizzes.scoring)."""

    @property
    def authored(self) -> list[ShownPart]:
        """All parts in authoring order, as scoring wants them."""
        return sorted({part.position: part for part in (*self.parts, *self.matches)}.values(), key=lambda part: part.position)

    def answer(self, numbers: Sequence[int]) -> list[int]:
        """Authoring positions of what was given by the numbers shown (see quizzes.scoring)."""
        if self.kind == "matching":
            return self._matched(numbers)
        if not all(1 <= number <= len(self.parts) for number in numbers) or len(set(numbers)) != len(numbers):
            raise NoSuchAnswer("Choose among what is shown.")
        positions = [self.parts[number - 1].position for number in numbers]
        if self.kind == "ordering":
            if len(positions) != len(self.parts):
                raise NoSuchAnswer(f"Put all {len(self.parts)} steps in order.")
            return positions
        if self.kind == "multiple":
            if len(positions) != 2:
                raise NoSuchAnswer(f"Select two: {_count(len(positions))} chosen. Your choice is kept.")
            return sorted(positions)
        if len(positions) != 1:
            raise NoSuchAnswer("Choose an option first." if not positions else "Choose one option.")
        return positions

    def numbers(self, answer: Sequence[int]) -> list[int]:
        """The numbers shown for an answer: what `answer` was made from."""
        if self.kind == "matching":
            by_position = {match.position: number for number, match in enumerate(self.matches, 1)}
            prompts = [part for part in self.authored if part.prompt]
            given = {prompt.position: by_position[match] for prompt, match in zip(prompts, answer, strict=True)}
            return [given[part.position] for part in self.parts]
        places = {part.position: number for number, part in enumerate(self.parts, 1)}
        return [places[position] for position in answer]

    def _matched(self, numbers: Sequence[int]) -> list[int]:
        """`numbers`: for each prompt shown the number of its match; 0 is none."""
        if len(numbers) != len(self.parts) or not all(0 <= number <= len(self.matches) for number in numbers):
            raise NoSuchAnswer("Choose among what is shown.")
        if not all(numbers):
            open_prompts = sum(not number for number in numbers)
            raise NoSuchAnswer(f"Choose a match for each line: {_count(open_prompts)} still open. Your choices are kept.")
        given = {part.position: self.matches[number - 1].position for part, number in zip(self.parts, numbers, strict=True)}
        return [given[position] for position in sorted(given)]


def _count(number: int) -> str:
    return {0: "none is", 1: "one is"}.get(number, f"{number} are")


def present(attempt: Attempt, attempt_item: AttemptItem) -> Presented:
    """The question in this attempt's order, with its variant's values."""
    return present_version(attempt_item.version, attempt_item.variant, attempt.seed, attempt_item.position)


def present_version(version: ItemVersion, variant: ItemVariant | None, seed: int, place: int) -> Presented:
    """The version as an attempt with this seed shows it at this place."""
    parts, right = parts_of(version, variant), tuple(right_in_force(version))
    stem, stimulus = filled_stem(version, variant)
    if version.kind == "matching":
        different = [part for part in parts if first_with_text(parts, part.text) == part.position]
        prompts = [part for part in parts if part.prompt]
        matches = tuple(shuffled(different, seed, place + MATCHES))
        return Presented(version.kind, stem, stimulus, tuple(shuffled(prompts, seed, place)), matches, right)
    shown = shuffled(parts, seed, place)
    if version.kind == "ordering" and shown == parts:
        shown = [*shown[1:], shown[0]]  # an order that is right as it stands would ask nothing
    return Presented(version.kind, stem, stimulus, tuple(shown), (), right)


def parts_of(version: ItemVersion, variant: ItemVariant | None) -> list[ShownPart]:
    """The options in authoring order, filled in, with the key in force."""
    return [_part(option, variant) for option in options_in_force(version)]


def filled_stem(version: ItemVersion, variant: ItemVariant | None) -> tuple[str, dict[str, str]]:
    """Stem and stimulus with the variant's values."""
    return _filled(version.stem, variant), {name: _filled(text, variant) for name, text in version.stimulus.items()}


def _part(option: Option, variant: ItemVariant | None) -> ShownPart:
    return ShownPart(
        pk=option.pk,
        position=option.position,
        prompt=option.prompt,
        text=_filled(option.text, variant),
        is_key=option.is_key,
        rationale=_filled(option.rationale, variant),
        misconception=option.misconception,
        proof=option.proof,
    )


def _filled(text: str, variant: ItemVariant | None) -> str:
    return fill(text, variant.parameters, variant.facts) if variant is not None else text
