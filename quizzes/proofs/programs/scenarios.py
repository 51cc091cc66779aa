"""Programs that play a list of steps on an endpoint of the example model, or run one SELECT by itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.program import Program
from quizzes.proofs.scenes import call_steps, endpoint_steps, registry_steps
from quizzes.proofs.scenes.scene import Scene, Step

STEPS: dict[str, Callable[[Scene, Step], None]] = {**endpoint_steps.STEPS, **call_steps.STEPS, **registry_steps.STEPS}
"""What a step may name in `do`; the function's docstring says what it takes and which facts it reports."""


def play(client: ProofClient, steps: Sequence[Step], start: Mapping[str, Any] | None = None) -> Observation:
    """Deploy the churn model as `start` says, then take the steps one after the other.

    start: `{shares: {version: percent}}`, or `{config: …}` as the API takes it, with `more: …` for fields beside the config;
    nothing deploys version 1. Each step names what it does in `do` (see STEPS) and its facts in `as`.
    """
    scene = Scene(client, client.endpoint_name())
    try:
        endpoint_steps.deploy(scene, start or {"shares": {"1": 100}})
        for step in steps:
            STEPS[step["do"]](scene, step)
    finally:
        scene.tidy()
    return Observation(scene.facts, client.exchanges, scene.rows)


def query(client: ProofClient, statement: str) -> Observation:
    """Run one SELECT that needs no table; facts as those of the step `sql`, without a prefix."""
    scene = Scene(client, "none")
    call_steps.run_select(scene, {"as": "q", "statement": statement, "wait": False})
    return Observation({name.removeprefix("q."): value for name, value in scene.facts.items()}, client.exchanges, scene.rows)


PROGRAMS: dict[str, Program] = {
    "play": Program(play, needs_models=True),
    "query": Program(query, needs_models=False),
}
