"""Variants of computed items: made from what the sandbox reported, drawn by an attempt's seed."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Self

from django.db.models import Count, Q

from quizzes.item_specs import ItemSpec
from quizzes.models import ItemVariant, ItemVersion
from quizzes.placeholders import facts_in, fill
from sandbox.public import Person


@dataclass(frozen=True)
class Computed:
    """One combination of parameters and the facts that the item's program reported for it."""

    parameters: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        text = json.dumps([self.parameters, self.facts], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Wording:
    """The texts of a computed item with their placeholders, from a file or from the database."""

    options: tuple[str, ...]
    key: str
    others: tuple[str, ...]
    """Stem, stimulus and rationales."""

    @classmethod
    def of_spec(cls, spec: ItemSpec) -> Self:
        code = (spec.stimulus.code, spec.stimulus.caption) if spec.stimulus else ()
        texts = (spec.stem, *code, *(option.rationale for option in spec.options))
        return cls(tuple(option.text for option in spec.options), spec.options[spec.key_position].text, texts)

    @property
    def facts(self) -> set[str]:
        """The facts that the texts show; the program may report more."""
        return facts_in((*self.options, *self.others))

    def why_dropped(self, computed: Computed) -> str:
        """Why this combination is not asked: two options came out the same, or a fact is missing; empty when it is fine."""
        if missing := sorted(self.facts - set(computed.facts)):
            return f"the program did not report {', '.join(missing)}"
        texts = Counter(fill(text, computed.parameters, computed.facts) for text in self.options)
        text, count = texts.most_common(1)[0]
        return f"{count} options say {text!r}" if count > 1 else ""


def computation_digest(spec: ItemSpec) -> str:
    """Changes exactly when the sandbox has to be asked again: with the call, its values, or the facts that the texts show."""
    call = spec.proof or {}
    values = {name: list(options) for name, options in spec.parameters.items()}
    parts = [call.get("program"), call.get("arguments"), values, list(spec.constraints), sorted(Wording.of_spec(spec).facts)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def add_variants(version: ItemVersion, wording: Wording, found: Sequence[Computed]) -> list[ItemVariant]:
    """Keep the combinations that can be asked as the version's variants."""
    usable = [computed for computed in found if not wording.why_dropped(computed)]
    return [
        ItemVariant.objects.create(
            version=version,
            number=number,
            parameters=dict(computed.parameters),
            facts=dict(computed.facts),
            key=fill(wording.key, computed.parameters, computed.facts),
            digest=computed.digest,
        )
        for number, computed in enumerate(usable, 1)
    ]


def draw_variant(user: Person, version: ItemVersion, seed: int, place: int) -> ItemVariant | None:
    """The variant for the question at `place`: by the seed, among those that this learner has met least; None without any."""
    met = Count("attempt_items", filter=Q(attempt_items__attempt__user=user))
    variants = list(version.variants.annotate(met=met).order_by("number"))
    fewest = min((variant.met for variant in variants), default=0)
    unseen = [variant for variant in variants if variant.met == fewest]
    if not unseen:
        return None
    drawn: ItemVariant = Random(f"{seed}:{place}:variant").choice(unseen)  # noqa: S311 - fairness, not secrecy
    return drawn
