"""Programs about features: online copies of feature tables, and a model whose endpoint looks its columns up."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from quizzes.proofs.client import DEPLOY_TIMEOUT_S, ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, parsed
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.catalog_statements import Statement, own_schema, run_statement
from quizzes.proofs.programs.program import Program
from quizzes.proofs.scenes.scene import POLL_S, Scene, endpoint

SEEN_BY_THE_MODEL = """
import mlflow

class Seen(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        rows = model_input.astype(object).where(model_input.notna(), None)
        return rows.to_dict("records")

mlflow.models.set_model(Seen())
"""
"""A model that answers with the columns that it is given, so that a call shows what was looked up."""
MLMODEL: Mapping[str, Any] = {
    "flavors": {
        "python_function": {
            "loader_module": "mlflow.pyfunc.model",
            "model_code_path": "model.py",
            "python_model": None,
            "python_version": "3.11.7",
        }
    },
    "mlflow_version": "3.17.2",
}
SIGNATURE_TYPES = {"bigint": "long", "double": "double", "string": "string"}
"""SQL type to the type of a model's signature, for what the proofs' specs use."""
SYNCS: Mapping[str, Mapping[str, Any]] = {
    "snapshot": {"perform_full_copy": True, "run_triggered": {}},
    "triggered": {"run_triggered": {}},
    "continuous": {"run_continuously": {}},
}
"""Ways in which an online copy follows its table, as the API spells them."""
OLDER, YOUNGER = "_online", "_online_2"
"""Ends of the names of copies: that of the only or first one, and that of the second."""


def publish_online(
    client: ProofClient, setup: Sequence[str], source: str, keys: Sequence[str], sync: str = "triggered", timeseries: str = ""
) -> Observation:
    """Run the statements of `setup`, then make an online copy of `source` with these key columns and wait for its rows.

    Facts: status, error_code and message of the call; state and rows of the copy when it was made.
    """
    with own_schema(client) as schema:
        _set_up(Scene(client, "none"), setup, schema)
        made = _copy(client, source.replace("{s}", schema), OLDER, keys, sync, timeseries)
        facts = answer_facts(made)
        if made.status == 200:
            facts |= _when_filled(client, f"{source.replace('{s}', schema)}{OLDER}")
    return Observation(facts, client.exchanges)


def serve_looked_up(
    client: ProofClient,
    setup: Sequence[str],
    tables: Mapping[str, Sequence[str]],
    spec: Mapping[str, Any],
    calls: Mapping[str, Any],
    changes: Sequence[Statement] = (),
    sync_again: bool = False,
    environment: Mapping[str, str] | None = None,
    younger_copies: bool = False,
) -> Observation:
    """Serve a model that answers with the columns it is given, and look them up as `spec` says.

    `setup`: statements; `tables`: table to its key columns, each gets an online copy; `spec`: as feature_spec.json;
    `calls`: name to the body of a call, or to `{body, headers}`; `changes`: statements between deployment and calls, after which
    the copies are brought up to date when `sync_again`; `environment`: variables of the served entity;
    `younger_copies`: each table gets a second copy after its first, only the second is brought up to date, and `calls` are
    made once more after another deployment, named `<name>_again`.
    `{s}` is a schema that exists for this run.
    Facts: `deployment.ready`, `deployment.update`, `deployment.message`; of each call `<name>.status`, `.error_code`, `.message`,
    `.rows` (what the model was given), and each column of its first row.
    """
    with own_schema(client) as schema, _left_behind(client) as left:
        scene = Scene(client, client.endpoint_name())
        # first, because the site imports what the model needs as soon as it knows of it
        model = _register(client, f"{schema}.seen", json.dumps(spec).replace("{s}", schema), left)
        _set_up(scene, setup, schema)
        copies = [OLDER, YOUNGER] if younger_copies else [OLDER]
        for copy in copies:
            _publish(client, {name.replace("{s}", schema): keys for name, keys in tables.items()}, copy)
        _deploy(scene, model, environment or {})
        for step in changes:
            run_statement(scene, step, {"s": schema})
        if sync_again:
            for name in tables:
                _sync(client, f"{name.replace('{s}', schema)}{copies[-1]}")
        for label, body in calls.items():
            _ask(scene, label, body)
        if younger_copies:
            _deploy(scene, model, environment or {}, again=True)
            for label, body in calls.items():
                _ask(scene, f"{label}_again", body)
    return Observation(scene.facts, client.exchanges, scene.rows)


# --- tables and their online copies -----------------------------------------------------------------


def _set_up(scene: Scene, setup: Sequence[str], schema: str) -> None:
    for statement in setup:
        run_statement(scene, statement, {"s": schema})


def _copy(client: ProofClient, source: str, copy: str, keys: Sequence[str], sync: str, timeseries: str = "") -> Exchange:
    spec = {"source_table_full_name": source, "primary_key_columns": list(keys), **SYNCS[sync]}
    if timeseries:
        spec["timeseries_key"] = timeseries
    return client.http("POST", "/api/2.0/online-tables", {"name": f"{source}{copy}", "spec": spec})


def _publish(client: ProofClient, tables: Mapping[str, Sequence[str]], copy: str) -> None:
    with client.unrecorded():
        for name, keys in tables.items():
            made = _copy(client, name, copy, keys, "triggered")
            if made.status != 200:
                raise ProofCouldNotRun(f"The online copy of this proof was refused: {made.response_body[:300]}")
        for name in tables:
            _when_filled(client, f"{name}{copy}")


def _when_filled(client: ProofClient, online: str) -> dict[str, Any]:
    """Poll until the copy is online or has failed. Facts: state, message."""
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    with client.unrecorded():
        while time.monotonic() < deadline:
            status = (parsed(client.http("GET", f"/api/2.0/online-tables/{online}")) or {}).get("status") or {}
            state = str(status.get("detailed_state", ""))
            if state.startswith(("ONLINE_NO_PENDING", "ONLINE_CONTINUOUS", "OFFLINE", "ONLINE_PIPELINE_FAILED")):
                return {"state": state, "message": str(status.get("message", ""))}
            time.sleep(POLL_S)
    raise ProofCouldNotRun(f"{online} was not filled within {DEPLOY_TIMEOUT_S} s.")


def _sync(client: ProofClient, online: str) -> None:
    """Trigger an update of the copy and wait until it is done."""
    found = parsed(client.http("GET", f"/api/2.0/online-tables/{online}")) or {}
    pipeline = f"/api/2.0/pipelines/{(found.get('spec') or {}).get('pipeline_id', '')}"
    update = (parsed(client.http("POST", f"{pipeline}/updates", {})) or {}).get("update_id")
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    with client.unrecorded():
        while time.monotonic() < deadline:
            updates = (parsed(client.http("GET", pipeline)) or {}).get("latest_updates", [])
            if any(each["update_id"] == update and each["state"] == "COMPLETED" for each in updates):
                return
            time.sleep(POLL_S)
    raise ProofCouldNotRun(f"The update of {online} did not end within {DEPLOY_TIMEOUT_S} s.")


# --- the model --------------------------------------------------------------------------------------


@contextmanager
def _left_behind(client: ProofClient) -> Iterator[list[tuple[str, str, Any]]]:
    """Requests that take away what was registered; sent at the end, the last one first."""
    left: list[tuple[str, str, Any]] = []
    try:
        yield left
    finally:
        with client.unrecorded():
            client.clean_up()
            for method, path, body in reversed(left):
                client.http(method, path, body)


def _register(client: ProofClient, model: str, spec: str, left: list[tuple[str, str, Any]]) -> str:
    """Version 1 of `model`: its code, and the spec beside its MLmodel (JSON is YAML too)."""
    with client.unrecorded():
        experiment = _mlflow(client, "experiments/create", {"name": model})["experiment_id"]
        left.append(("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": experiment}))
        run = _mlflow(client, "runs/create", {"experiment_id": experiment})["run"]["info"]
        folder = f"{run['artifact_uri']}/model"
        files = {"MLmodel": {**MLMODEL, "signature": _signature(json.loads(spec))}, "feature_spec.json": json.loads(spec)}
        artifacts = f"/api/2.0/mlflow-artifacts/artifacts/{folder.removeprefix('mlflow-artifacts:/')}"
        for name, content in files.items():
            client.http("PUT", f"{artifacts}/{name}", content)
        client.http("PUT", f"{artifacts}/model.py", text=SEEN_BY_THE_MODEL)
        _mlflow(client, "registered-models/create", {"name": model})
        left.append(("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": model}))
        _mlflow(client, "model-versions/create", {"name": model, "source": folder, "run_id": run["run_id"]})
    return model


def _signature(spec: Mapping[str, Any]) -> dict[str, str]:
    """Of what the model takes; each column may be missing."""
    left_out = {*spec.get("exclude_columns", []), spec.get("label", "")}
    taken = [column for column in spec["columns"] if column["name"] not in left_out]
    inputs = [{"name": column["name"], "type": SIGNATURE_TYPES[column["type"]], "required": False} for column in taken]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps([{"type": "string"}])}


def _deploy(scene: Scene, model: str, environment: Mapping[str, str], again: bool = False) -> None:
    """Create the endpoint, or deploy its config `again`, and wait until its deployment has come to an end, good or bad."""
    entity = {
        "name": "seen",
        "entity_name": model,
        "entity_version": "1",
        "workload_size": "Small",
        "scale_to_zero_enabled": False,
    }
    send = scene.client.update if again else scene.client.create
    made = send(scene.name, {"served_entities": [{**entity, "environment_vars": dict(environment)}]})
    if made.exception:
        raise ProofCouldNotRun(f"The endpoint of this proof was refused: {scene.client.exchanges[-1].response_body}")
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    while (found := endpoint(scene)).get("state", {}).get("config_update") == "IN_PROGRESS":
        if time.monotonic() > deadline:
            raise ProofCouldNotRun(f"The deployment of {scene.name} did not end within {DEPLOY_TIMEOUT_S} s.")
        time.sleep(POLL_S)
    state = found.get("state", {})
    entities = [each for name in ("config", "pending_config") for each in (found.get(name) or {}).get("served_entities", [])]
    messages = [each.get("state", {}).get("deployment_state_message", "") for each in entities]
    scene.report({"as": "deployment"}, ready=state.get("ready"), update=state.get("config_update"), message=" ".join(messages))


def _mlflow(client: ProofClient, call: str, body: Mapping[str, Any]) -> Any:
    answer = client.http("POST", f"/api/2.0/mlflow/{call}", body)
    if answer.status != 200:
        raise ProofCouldNotRun(f"The registry refused {call}: {answer.response_body}")
    return parsed(answer)


def _ask(scene: Scene, label: str, body: Any) -> None:
    sent = body if "body" in body else {"body": body}
    asked = scene.client.invoke(scene.name, sent["body"], headers=sent.get("headers"))
    answer = parsed(asked)
    rows = answer.get("predictions") if isinstance(answer, dict) else None
    first = rows[0] if isinstance(rows, list) and rows else {}
    scene.report({"as": label}, **first, **answer_facts(asked), rows=rows)
    scene.rows += [{"call": label, **row} for row in (rows or []) if isinstance(row, dict)]


PROGRAMS: dict[str, Program] = {
    "publish_online": Program(publish_online, needs_models=False),
    "serve_looked_up": Program(serve_looked_up, needs_models=False),
}
