"""Programs that run SQL statements in a schema of their own: tables, grants, functions, history, and calls of an endpoint."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import churn_config, parsed
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.program import Program
from quizzes.proofs.scenes import call_steps
from quizzes.proofs.scenes.scene import Scene

Statement = str | Mapping[str, str]


def statements(client: ProofClient, steps: Sequence[Statement]) -> Observation:
    """Run the statements one after the other; `{s}` is a schema that exists for this run.

    A statement is its text, which must succeed, or `{as, run}`, whose facts are those of the step `sql` with that prefix.
    """
    with own_schema(client) as schema:
        scene = Scene(client, "none")
        for step in steps:
            run_statement(scene, step, {"s": schema})
    return Observation(scene.facts, client.exchanges, scene.rows)


def statements_with_model(client: ProofClient, steps: Sequence[Statement]) -> Observation:
    """As `statements`; `{endpoint}` is an endpoint that serves the churn model."""
    endpoint = client.ready_endpoint(churn_config({"1": 100}))
    with own_schema(client) as schema:
        scene = Scene(client, "none")
        for step in steps:
            run_statement(scene, step, {"s": schema, "endpoint": endpoint})
    return Observation(scene.facts, client.exchanges, scene.rows)


@contextmanager
def own_schema(client: ProofClient) -> Iterator[str]:
    """The full name of a schema of this run's own; removed at the end with all that is in it."""
    schema = f"main.{client.prefix.replace('-', '_')}"
    with client.unrecorded():
        _must_run(client, f"CREATE SCHEMA {schema}")
    try:
        yield schema
    finally:
        with client.unrecorded():
            client.http("POST", "/api/2.0/sql/statements", _body(f"DROP SCHEMA {schema} CASCADE"))


def run_statement(scene: Scene, step: Statement, names: Mapping[str, str]) -> None:
    """Run it with the names filled in. Raises ProofCouldNotRun when one that must succeed does not."""
    text = step if isinstance(step, str) else step["run"]
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    if isinstance(step, str):
        with scene.client.unrecorded():
            _must_run(scene.client, text)
    else:
        call_steps.run_select(scene, {"as": step["as"], "statement": text, "wait": False})


def _must_run(client: ProofClient, statement: str) -> None:
    answer = client.http("POST", "/api/2.0/sql/statements", _body(statement))
    state = ((parsed(answer) or {}).get("status") or {}).get("state")
    if state != "SUCCEEDED":
        raise ProofCouldNotRun(f"A statement of this proof failed: {statement[:200]} {answer.response_body[:400]}")


def _body(statement: str) -> dict[str, Any]:
    return {"statement": statement, "warehouse_id": "sandbox", "wait_timeout": "50s"}


PROGRAMS: dict[str, Program] = {
    "statements": Program(statements, needs_models=False),
    "statements_with_model": Program(statements_with_model, needs_models=True),
}
