"""Programs that register: the files of a logged model in both registries, and a version under the name of another model."""

from collections.abc import Collection
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, parsed
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.catalog_statements import own_schema, run_statement
from quizzes.proofs.programs.model_registry import own_model, registry_get
from quizzes.proofs.programs.program import Program
from quizzes.proofs.scenes.scene import Scene

MLFLOW = "/api/2.0/mlflow"
FLAVOR = {"flavors": {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11.7"}}}
SIGNATURE = {"inputs": '[{"type": "double", "name": "a"}]', "outputs": '[{"type": "double"}]'}
KEY = "sk-of-the-provider"
FEATURE_TABLE = "CREATE TABLE {s}.features (id BIGINT NOT NULL, a DOUBLE, PRIMARY KEY (id))"


def register_logged(client: ProofClient, has: Collection[str] = ()) -> Observation:
    """Log a model with nothing but its flavour and what it `has`, then register it by a name of one part and one of three.

    has: any of `signature`, `requirements` and `key` (files beside it), `alias` (set on the version before it is there),
    `feature_table`.
    Facts: status, error_code and message of `workspace`, `catalog` and, where it is set, `alias`; with `key`, `file.status` and
    `file.shows_key` of a download of that file from the catalog's version.
    """
    scene = Scene(client, "none")
    with own_schema(client) as schema:
        catalog, workspace = f"{schema}.logged", client.prefix
        try:
            with client.unrecorded():
                source = _logged(scene, client.prefix, has)
                _make(scene, catalog)
                _make(scene, workspace)
            if "feature_table" in has:
                run_statement(scene, FEATURE_TABLE, {"s": schema})
            if "alias" in has:
                alias = {"name": catalog, "alias": "champion", "version": "1"}
                _report(scene, "alias", "registered-models/alias", alias)
            _report(scene, "workspace", "model-versions/create", {"name": workspace, **source})
            _report(scene, "catalog", "model-versions/create", {"name": catalog, **source})
            if "key" in has:
                file = client.http("GET", f"/api/2.0/fs/files/Models/{catalog.replace('.', '/')}/1/key.txt")
                scene.report({"as": "file"}, status=file.status, shows_key=KEY in file.response_body)
        finally:
            scene.tidy()
    return Observation(scene.facts, client.exchanges, scene.rows)


def bring_version(client: ProofClient, way: str) -> Observation:
    """Try to bring version 1 of a model to another registered model, in another schema, that has no version yet.

    way: `copy` (what the client's copy_model_version registers), `alias`, `stage` or `rename`.
    Facts: status, error_code and message of the call; `here` and `there`, the versions of both models afterwards.
    """
    scene = Scene(client, "none")
    with own_schema(client) as schema, own_model(client, 1) as name:
        there = f"{schema}.fraud"
        try:
            with client.unrecorded():
                _make(scene, there)
            calls = {
                "copy": ("model-versions/create", {"name": there, "source": f"models:/{name}/1"}),
                "alias": ("registered-models/alias", {"name": there, "alias": "Champion", "version": f"models:/{name}/1"}),
                "stage": ("model-versions/transition-stage", {"name": name, "version": "1", "stage": "Production"}),
                "rename": ("registered-models/rename", {"name": name, "new_name": there}),
            }
            call, body = calls[way]
            asked = client.http("POST", f"{MLFLOW}/{call}", body)
            facts = {**answer_facts(asked), "here": _versions(client, name), "there": _versions(client, there)}
        finally:
            scene.tidy()
    return Observation(facts, client.exchanges)


def _versions(client: ProofClient, name: str) -> list[str]:
    found = parsed(registry_get(client, "model-versions/search", filter=f"name='{name}'")) or {}
    return sorted(str(version["version"]) for version in found.get("model_versions", []))


def _logged(scene: Scene, experiment: str, has: Collection[str]) -> dict[str, str]:
    """The source and the run of a model that was logged like this."""
    made = _sent(scene, "experiments/create", {"name": experiment})
    scene.left_behind.append(("POST", f"{MLFLOW}/experiments/delete", made))
    run = _sent(scene, "runs/create", made)["run"]["info"]
    folder = f"{run['artifact_uri']}/model"
    files = f"/api/2.0/mlflow-artifacts/artifacts/{folder.removeprefix('mlflow-artifacts:/')}"
    mlmodel = {**FLAVOR, "signature": SIGNATURE} if "signature" in has else FLAVOR
    scene.client.http("PUT", f"{files}/MLmodel", mlmodel)
    if "requirements" in has:
        scene.client.http("PUT", f"{files}/requirements.txt", text="scikit-learn\n")
    if "key" in has:
        scene.client.http("PUT", f"{files}/key.txt", text=KEY)
    return {"source": folder, "run_id": run["run_id"]}


def _make(scene: Scene, name: str) -> None:
    _sent(scene, "registered-models/create", {"name": name})
    scene.left_behind.append(("DELETE", f"{MLFLOW}/registered-models/delete", {"name": name}))


def _sent(scene: Scene, call: str, body: dict[str, Any]) -> Any:
    answer = scene.client.http("POST", f"{MLFLOW}/{call}", body)
    if answer.status != 200:
        raise ProofCouldNotRun(f"The registry refused {call}: {answer.response_body}")
    return parsed(answer)


def _report(scene: Scene, label: str, call: str, body: dict[str, str]) -> None:
    answer = scene.client.http("POST", f"{MLFLOW}/{call}", body)
    said = parsed(answer) or {}
    facts = {"status": answer.status, "error_code": said.get("error_code", ""), "message": said.get("message", "")}
    scene.report({"as": label}, **facts)
    scene.rows.append({"registered": label, **facts})


PROGRAMS: dict[str, Program] = {
    "register_logged": Program(register_logged, needs_models=False),
    "bring_version": Program(bring_version, needs_models=True),
}
