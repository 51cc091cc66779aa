"""What the proofs of a bank come to: one check for each option, order, pair and combination of parameters."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import F

from quizzes.item_specs import ItemSpec
from quizzes.item_versions import spec_of
from quizzes.models import ItemVersion
from quizzes.placeholders import combinations, fill_arguments
from quizzes.proofs.run import Proof, ProofResult, judge
from quizzes.variants import Computed, Wording


@dataclass(frozen=True)
class Check:
    """One statement that a run of a program confirms or not."""

    item_key: str
    exam: str
    part: str
    """What it is about: `key 2`, `distractor 3`, `order`, `pair 1`, `values 4`."""
    proof: Proof
    must_hold: bool
    combination: "Combination | None" = None

    @property
    def call(self) -> str:
        """The program with its arguments: checks of the same call are judged by one run of it."""
        return json.dumps([self.proof.program, self.proof.arguments], sort_keys=True, default=str)

    def judge(self, facts: dict[str, Any]) -> ProofResult:
        """The verdict on what the program reported."""
        if self.combination is not None:
            return self.combination.judge(self.proof, facts)
        return judge(self.proof, facts, is_key=self.must_hold)


@dataclass(frozen=True)
class Combination:
    """Values of a computed item's parameters, and the facts that are stored for them."""

    wording: Wording
    parameters: dict[str, Any]
    stored: Mapping[str, Any] | None
    """None: nothing is stored for these values, because they are new or were dropped."""
    is_new: bool
    """Nothing is stored for the item at all."""

    def computed(self, facts: Mapping[str, Any]) -> Computed:
        """The facts that the texts show, as they survive a JSON column."""
        shown = {name: value for name, value in facts.items() if name in self.wording.facts}
        return Computed(self.parameters, json.loads(json.dumps(shown)))

    def judge(self, proof: Proof, facts: Mapping[str, Any]) -> ProofResult:
        found = self.computed(facts)
        if self.stored is not None:
            return judge(replace(proof, claims=self.stored), dict(found.facts), is_key=True)
        dropped = self.wording.why_dropped(found)
        result = judge(replace(proof, claims=found.facts), dict(found.facts), is_key=True)
        words = f"Not asked: {dropped}." if dropped else "Computed." if self.is_new else "Not stored for this version."
        return ProofResult(bool(dropped) or self.is_new, result.observation, result.comparisons, words)


def versions_with_proofs(keys: Sequence[str] = ()) -> list[ItemVersion]:
    """The current versions that something can be run for; only of the named items if any are named."""
    versions = ItemVersion.objects.filter(item__current=F("pk"), item__retired=False)
    if keys:
        versions = versions.filter(item__key__in=keys)
    found = versions.select_related("item__exam", "item__objective").prefetch_related("options", "variants")
    return [version for version in found.order_by("item__key") if checks_of_version(version)]


def checks_of_version(version: ItemVersion) -> list[Check]:
    """Everything about a version that can be run, and for a computed item what is stored for it."""
    stored = [Computed(variant.parameters, variant.facts) for variant in version.variants.all()]
    return checks_of(spec_of(version), stored)


def checks_of(spec: ItemSpec, stored: Sequence[Computed] = ()) -> list[Check]:
    """Everything about an item that can be run."""
    if spec.kind == "computed":
        return _combinations(spec, stored)
    checks = [
        Check(spec.key, spec.exam, _name(spec, number, option.is_key), Proof.of(option.proof), must_hold=option.is_key)
        for number, option in enumerate(spec.options, 1)
        if option.proof
    ]
    if spec.proof:
        checks.append(Check(spec.key, spec.exam, "order", Proof.of(spec.proof), must_hold=True))
    return checks


def _name(spec: ItemSpec, position: int, is_key: bool) -> str:
    if spec.is_choice:
        return f"{'key' if is_key else 'distractor'} {position}"
    return f"{'pair' if spec.kind == 'matching' else 'step'} {position}"


def _combinations(spec: ItemSpec, stored: Sequence[Computed]) -> list[Check]:
    assert spec.proof is not None, "bank_files reads no computed item without its program"
    wording = Wording.of_spec(spec)
    checks = []
    for number, values in enumerate(combinations(spec.parameters, spec.constraints), 1):
        facts = next((known.facts for known in stored if known.parameters == values), None)
        proof = Proof(spec.proof["program"], fill_arguments(spec.proof["arguments"], values), {}, {})
        combination = Combination(wording, values, facts, is_new=not stored)
        checks.append(Check(spec.key, spec.exam, f"values {number}", proof, must_hold=True, combination=combination))
    return checks
