"""Steps that register something beside the endpoint: aliases, versions, secrets. All of it is taken away in the end."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from quizzes.proofs.client import DEPLOY_TIMEOUT_S, ProofCouldNotRun
from quizzes.proofs.facts import CHURN, answer_facts, parsed
from quizzes.proofs.scenes.scene import POLL_S, Scene, Step, endpoint

UNBUILDABLE = {
    "flavors": {"python_function": {"loader_module": "a_module_that_nobody_has", "python_version": "3.11.7"}},
    "signature": {"inputs": '[{"type": "double", "name": "a"}]', "outputs": '[{"type": "double"}]'},
}
"""An MLmodel file whose model no build can load."""


def _alias(scene: Scene, step: Step) -> None:
    """Point an alias of the example model, named for this run, to `version`. Facts: status, version (where it now points)."""
    alias = {"name": CHURN, "alias": f"{scene.client.prefix}-{step['alias']}"}
    path = "/api/2.0/mlflow/registered-models/alias"
    scene.left_behind.append(("DELETE", f"{path}?{urlencode(alias)}", None))
    answer = scene.client.http("POST", path, {**alias, "version": step["version"]})
    found = parsed(scene.client.http("GET", f"{path}?{urlencode(alias)}")) or {}
    scene.report(step, **answer_facts(answer), version=(found.get("model_version") or {}).get("version", ""))


def _update_to_unbuildable(scene: Scene, step: Step) -> None:
    """Register a version that names a loader nobody has, update to it, and wait until that has failed.

    Facts: status of the update call.
    """
    model = f"main.default.{scene.client.prefix}-unbuildable"
    with scene.client.unrecorded():
        _register(scene, model, UNBUILDABLE)
    entity = {"name": "unbuildable", "entity_name": model, "entity_version": "1", "workload_size": "Small"}
    path = f"/api/2.0/serving-endpoints/{scene.name}"
    answer = scene.client.http("PUT", f"{path}/config", {"served_entities": [{**entity, "scale_to_zero_enabled": False}]})
    scene.report(step, **answer_facts(answer))
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    while endpoint(scene).get("state", {}).get("config_update") == "IN_PROGRESS":
        if time.monotonic() > deadline:
            raise ProofCouldNotRun(f"The update of {scene.name} did not end within {DEPLOY_TIMEOUT_S} s.")
        time.sleep(POLL_S)


def _register(scene: Scene, model: str, mlmodel: Mapping[str, Any]) -> None:
    """Version 1 of `model` with nothing but an MLmodel file (JSON is YAML too)."""
    experiment = _mlflow(scene, "experiments/create", {"name": model})["experiment_id"]
    run = _mlflow(scene, "runs/create", {"experiment_id": experiment})["run"]["info"]
    folder = f"{run['artifact_uri']}/model"
    artifacts = f"/api/2.0/mlflow-artifacts/artifacts/{folder.removeprefix('mlflow-artifacts:/')}"
    scene.client.http("PUT", f"{artifacts}/MLmodel", mlmodel)
    _mlflow(scene, "registered-models/create", {"name": model})
    _mlflow(scene, "model-versions/create", {"name": model, "source": folder, "run_id": run["run_id"]})
    scene.left_behind.append(("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": model}))
    scene.left_behind.append(("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": experiment}))


def _mlflow(scene: Scene, call: str, body: Mapping[str, Any]) -> Any:
    answer = scene.client.http("POST", f"/api/2.0/mlflow/{call}", body)
    if answer.status != 200:
        raise ProofCouldNotRun(f"The registry refused {call}: {answer.response_body}")
    return parsed(answer)


def _secret(scene: Scene, step: Step) -> None:
    """Keep `value` as secret `key` in a scope named like the endpoint. Facts: status."""
    scene.client.http("POST", "/api/2.0/secrets/scopes/create", {"scope": scene.name})
    scene.left_behind.append(("POST", "/api/2.0/secrets/scopes/delete", {"scope": scene.name}))
    body = {"scope": scene.name, "key": step["key"], "string_value": step["value"]}
    scene.report(step, **answer_facts(scene.client.http("POST", "/api/2.0/secrets/put", body)))


STEPS: dict[str, Callable[[Scene, Step], None]] = {
    "alias": _alias,
    "update_to_unbuildable": _update_to_unbuildable,
    "secret": _secret,
}
