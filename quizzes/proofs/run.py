"""Run the proof of one option and judge what was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.expectations import Comparison, agrees, compare
from quizzes.proofs.observation import Observation, cut
from quizzes.proofs.programs import PROGRAMS


@dataclass(frozen=True)
class Proof:
    """An option's proof as it is stored: a program's name, its arguments, and two expectations."""

    program: str
    arguments: Mapping[str, Any]
    claims: Mapping[str, Any]
    """What would be seen if the option were right."""
    observed: Mapping[str, Any]
    """What was recorded; for a key it may be empty, then the claim is what is expected."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Proof":
        return cls(stored["program"], stored.get("arguments", {}), stored["claims"], stored.get("observed", {}))


@dataclass(frozen=True)
class ProofResult:
    """The verdict: `confirmed` is None when the sandbox could not run the proof."""

    confirmed: bool | None
    observation: Observation
    comparisons: list[Comparison] = field(default_factory=list)
    message: str = ""


def run_proof(proof: Proof, client: ProofClient, *, is_key: bool) -> ProofResult:
    """Run the program and compare; endpoints that it made are removed whatever happens."""
    try:
        seen = PROGRAMS[proof.program].function(client, **proof.arguments)
    except ProofCouldNotRun as error:
        return ProofResult(None, shown(Observation({}, client.exchanges)), message=str(error))
    finally:
        client.clean_up()
    return replace(judge(proof, seen.facts, is_key=is_key), observation=shown(seen))


def judge(proof: Proof, facts: Mapping[str, Any], *, is_key: bool) -> ProofResult:
    """A key holds when its claim was seen; a distractor fails when its claim was not and the recorded reason was."""
    expected = proof.observed or proof.claims
    comparisons = compare(expected, facts)
    as_recorded = all(comparison.agrees for comparison in comparisons)
    claim_seen = agrees(proof.claims, facts)
    confirmed = as_recorded and claim_seen if is_key else as_recorded and not claim_seen
    return ProofResult(confirmed, Observation(dict(facts)), comparisons, _sentence(is_key, as_recorded, claim_seen))


def _sentence(is_key: bool, as_recorded: bool, claim_seen: bool) -> str:
    if is_key:
        return "Holds: the sandbox did what this option says." if claim_seen and as_recorded else "Does not hold."
    if claim_seen:
        return "The sandbox did what this option says: it is not wrong."
    return "Fails for the recorded reason." if as_recorded else "Fails, but not for the recorded reason."


def shown(observation: Observation) -> Observation:
    """The observation with long answers cut for the page."""
    exchanges = [replace(exchange, response_body=cut(exchange.response_body)) for exchange in observation.exchanges]
    return replace(observation, exchanges=exchanges)
