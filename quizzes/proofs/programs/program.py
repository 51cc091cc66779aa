"""What a program is: a function that acts on a workspace and reports facts, and what it needs to find there."""

from collections.abc import Callable
from dataclasses import dataclass

from quizzes.proofs.observation import Observation


@dataclass(frozen=True)
class Program:
    """A program and what it needs to find in the workspace."""

    function: Callable[..., Observation]
    needs_models: bool
    """Whether the example models must be registered first."""
