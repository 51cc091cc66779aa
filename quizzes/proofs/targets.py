"""What a proof can be of: an option, an ordering as a whole, or one variant of a computed item."""

from typing import TypeAlias

from quizzes.models import ItemVariant, ItemVersion, Option
from quizzes.placeholders import fill_arguments
from quizzes.proofs.run import Proof

Target: TypeAlias = Option | ItemVersion | ItemVariant


def proof_of(target: Target) -> Proof:
    """The target's proof; a variant claims the facts that are recorded for it."""
    if isinstance(target, ItemVariant):
        stored = target.version.proof
        return Proof(stored["program"], fill_arguments(stored["arguments"], target.parameters), target.facts, {})
    return Proof.of(target.proof)


def must_hold(target: Target) -> bool:
    """Whether the proof shows that something is right; only that of a distractor shows that it is wrong."""
    return target.is_key if isinstance(target, Option) else True


def version_of(target: Target) -> ItemVersion:
    """The item version that the target belongs to."""
    return target if isinstance(target, ItemVersion) else target.version
