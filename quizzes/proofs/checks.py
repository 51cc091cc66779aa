"""What the proofs of a bank come to: one check for each option, order, pair and combination of parameters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from quizzes.models import ItemVersion, Kind
from quizzes.placeholders import combinations, fill_arguments
from quizzes.proofs.run import Proof, ProofResult, judge
from quizzes.proofs.targets import must_hold, proof_of
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

    version: ItemVersion
    wording: Wording
    parameters: dict[str, Any]
    stored: dict[str, Any] | None = field(default=None)
    """None: nothing is stored for these values, because they are new or were dropped."""

    def computed(self, facts: dict[str, Any]) -> Computed:
        """The facts that the texts show, as they survive a JSON column."""
        shown = {name: value for name, value in facts.items() if name in self.wording.facts}
        return Computed(self.parameters, json.loads(json.dumps(shown)))

    def judge(self, proof: Proof, facts: dict[str, Any]) -> ProofResult:
        found = self.computed(facts)
        if self.stored is not None:
            as_stored = Proof(proof.program, proof.arguments, self.stored, {})
            return judge(as_stored, dict(found.facts), is_key=True)
        dropped = self.wording.why_dropped(found)
        known = self.version.variants.exists()
        result = judge(Proof(proof.program, proof.arguments, found.facts, {}), dict(found.facts), is_key=True)
        words = f"Not asked: {dropped}." if dropped else "Computed." if not known else "Not stored for this version."
        return ProofResult(bool(dropped) or not known, result.observation, result.comparisons, words)


def versions_with_proofs(keys: Sequence[str] = ()) -> list[ItemVersion]:
    """The current versions that something can be run for; only of the named items if any are named."""
    versions = ItemVersion.objects.filter(item__current=F("pk"), item__retired=False)
    if keys:
        versions = versions.filter(item__key__in=keys)
    found = versions.select_related("item__exam").prefetch_related("options", "variants").order_by("item__key")
    return [version for version in found if checks_of(version)]


def checks_of(version: ItemVersion) -> list[Check]:
    """Everything about the version that can be run."""
    item_key, exam = version.item.key, version.item.exam.slug if version.item.exam else ""
    if version.kind == Kind.COMPUTED:
        return _combinations(version, item_key, exam)
    checks = [
        Check(item_key, exam, _name(version, option.position, option.is_key), proof_of(option), must_hold(option))
        for option in version.options.all()
        if option.proof
    ]
    if version.proof:
        checks.append(Check(item_key, exam, "order", proof_of(version), must_hold=True))
    return checks


def _name(version: ItemVersion, position: int, is_key: bool) -> str:
    if version.kind == Kind.MATCHING:
        return f"pair {position}"
    if version.kind == Kind.ORDERING:
        return f"step {position}"
    return f"{'key' if is_key else 'distractor'} {position}"


def _combinations(version: ItemVersion, item_key: str, exam: str) -> list[Check]:
    wording = Wording.of_version(version)
    stored = [(variant.parameters, variant.facts) for variant in version.variants.all()]
    checks = []
    for number, values in enumerate(combinations(version.parameters, version.constraints), 1):
        facts = next((facts for parameters, facts in stored if parameters == values), None)
        proof = Proof(version.proof["program"], fill_arguments(version.proof["arguments"], values), {}, {})
        combination = Combination(version, wording, values, facts)
        checks.append(Check(item_key, exam, f"values {number}", proof, must_hold=True, combination=combination))
    return checks
