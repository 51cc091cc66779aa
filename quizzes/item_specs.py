"""An item, a bank and a catalogue as plain data, the way their authors wrote them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any

KINDS = ("single", "multiple", "ordering", "matching", "computed")
CHOICE_KINDS = ("single", "multiple", "computed")
"""Kinds whose options are chosen; the steps of an ordering and the pairs of a matching are arranged."""


@dataclass(frozen=True)
class OptionSpec:
    """One choice; or one step of an ordering (in the right order); or one pair or extra text of a matching."""

    text: str
    rationale: str
    misconception: str
    is_key: bool
    proof: dict[str, Any] | None
    prompt: str = ""
    """Matching: the left side of the pair; empty for an extra text that belongs to no prompt."""


@dataclass(frozen=True)
class Source:
    """Where the fact behind an item was read."""

    url: str
    dated: date
    product_version: str


@dataclass(frozen=True)
class Evidence:
    """Why the key is right or a distractor wrong: a sentence, and where that was read or seen."""

    says: str
    source: str
    """An https address, or `observed: program(arguments)`."""
    dated: date


@dataclass(frozen=True)
class Stimulus:
    """Code that is shown between the scenario and the question."""

    language: str
    caption: str
    code: str


@dataclass(frozen=True)
class ItemSpec:
    """One item as an author wrote it."""

    key: str
    objective: str
    bloom: str
    stem: str
    source: Source
    checked_on: date
    expires_on: date
    options: tuple[OptionSpec, ...]
    exam_wording: str = ""
    current_name: str = ""
    language: str = "en"
    kind: str = "single"
    exam: str = ""
    """Slug of the exam that it is written for."""
    difficulty: str = ""
    """What the author expects: easy, medium or hard."""
    stimulus: Stimulus | None = None
    evidence: tuple[Evidence, ...] = ()
    no_proof: str = ""
    """Why nothing, or not everything, can be run."""
    proof: dict[str, Any] | None = None
    """Ordering: what running the right order shows. Computed: the program that reports the facts."""
    parameters: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Computed: the values that each placeholder may take."""
    constraints: tuple[str, ...] = ()
    """Computed: comparisons that a combination of values must satisfy."""

    @property
    def content_sha256(self) -> str:
        """Changes exactly when something changes that a learner or a proof can see.

        Fields that were added later count only when they are filled, so that older content keeps its digest.
        """
        content = {name: value for name, value in asdict(self).items() if name in _FIRST_FIELDS or value}
        for place in ("exam", "difficulty"):  # where an item is asked is no part of its wording
            content.pop(place, None)
        if self.kind == "single":
            content.pop("kind")
        for option in content["options"]:
            if not option["prompt"]:
                del option["prompt"]
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def key_position(self) -> int:
        """Index of the first key; -1 when there is none."""
        return next((index for index, option in enumerate(self.options) if option.is_key), -1)

    @property
    def key_texts(self) -> list[str]:
        """What the right answer says: the keys, the steps, or both sides of the pairs."""
        return [" ".join((option.prompt, option.text)).strip() for option in self.options if option.is_key]

    @property
    def is_choice(self) -> bool:
        """Whether options are chosen, rather than arranged."""
        return self.kind in CHOICE_KINDS

    @property
    def has_full_proof(self) -> bool:
        """Whether the key and every distractor (or the order, or every pair) can be run."""
        if self.kind in {"ordering", "computed"}:
            return self.proof is not None
        return all(option.proof is not None for option in self.options if self.is_choice or option.prompt)

    @property
    def has_some_proof(self) -> bool:
        return self.proof is not None or any(option.proof for option in self.options)


_FIRST_FIELDS = {f.name for f in fields(ItemSpec)} - {
    "exam", "difficulty", "stimulus", "evidence", "no_proof", "proof", "parameters", "constraints",
}  # fmt: skip


@dataclass(frozen=True)
class BankSpec:
    """One bank file."""

    slug: str
    title: str
    description: str
    declaration: str
    items: tuple[ItemSpec, ...]


@dataclass(frozen=True)
class Catalogue:
    """What banks refer to: exams with blueprints and objectives (as in the file), and misconceptions by tag."""

    exams: tuple[dict[str, Any], ...]
    objectives: tuple[dict[str, Any], ...]
    misconceptions: dict[str, str] = field(default_factory=dict)

    @property
    def objective_slugs(self) -> set[str]:
        return {objective["slug"] for objective in self.objectives}

    @property
    def exam_slugs(self) -> set[str]:
        return {exam["slug"] for exam in self.exams}

    def objectives_of(self, exam_slug: str) -> set[str]:
        """Objectives of the exam's newest blueprint."""
        blueprints = [blueprint for exam in self.exams if exam["slug"] == exam_slug for blueprint in exam["blueprints"]]
        newest = max(blueprints, key=lambda blueprint: str(blueprint["dated"]), default=None)
        return {line["objective"] for line in newest["lines"]} if newest else set()
