"""What a version may be made from: the runs and logged models of one's own workspace, as a real MLflow server keeps them."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import LazySettings
from django.test import Client

from .conftest import ADA, BEN, Registry

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
MLMODEL = b"""\
flavors:
  sklearn: {sklearn_version: '1.5'}
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""
NAME = "main.default.made"


@pytest.fixture
def person_of(registry: Registry, db: None, settings: LazySettings, tmp_path: Path) -> Any:
    """Calls of the registry by the owner of a workspace that the MLflow server knows by this id."""
    from sandbox.workspaces.models import User, Workspace
    from sandbox.workspaces.operations import issue_token

    settings.MLFLOW_SOCKET = registry.data_dir / "run" / "mlflow.sock"
    settings.MLFLOW_DIR = registry.data_dir / "mlflow"
    settings.DATA_DIR = tmp_path

    def make(workspace_id: str, name: str) -> Any:
        user = User.objects.create(username=name, email=f"{name}@example.org")
        workspace = Workspace.objects.create(id=workspace_id, name=name, owner=user)
        _, plain = issue_token(workspace, user)

        def post(call: str, **body: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {plain}"}
            answer = Client().post(f"{API}/{call}", body, content_type="application/json", headers=headers)
            return httpx.Response(answer.status_code, content=answer.content)

        assert post("registered-models/create", name=NAME).status_code == 200
        return post

    return make


@pytest.fixture(scope="module")
def logged(registry: Registry) -> dict[str, str]:
    """Ids of a run with a model among its files and a table as input, and of a logged model of that run; they are Ada's."""
    with registry.client("ada-token") as ada:
        run = _post(ada, f"{API}/runs/create", experiment_id="0")["run"]["info"]
        made = _post(ada, f"{API}/logged-models", experiment_id=run["experiment_id"], name="m", source_run_id=run["run_id"])
        model = made["model"]["info"]
        for uri in (f"{run['artifact_uri']}/old", model["artifact_uri"]):
            below = uri.removeprefix("mlflow-artifacts:/")
            assert ada.put(f"{FILES}/{below}/MLmodel", content=MLMODEL).status_code == 200
            assert ada.put(f"{FILES}/{below}/deep/weights", content=b"w").status_code == 200
        source = '{"delta_table_name": "main.default.Customers", "delta_table_id": "1"}'
        dataset = {"name": "customers", "digest": "1", "source_type": "delta_table", "source": source}
        _post(ada, f"{API}/runs/log-inputs", run_id=run["run_id"], datasets=[{"dataset": dataset}])
    return {
        "run": run["run_id"],
        "experiment": run["experiment_id"],
        "model": model["model_id"],
        "run_uri": run["artifact_uri"],
        "model_uri": model["artifact_uri"],
    }


def _post(client: httpx.Client, path: str, **body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def sources(logged: dict[str, str]) -> list[str]:
    dbfs = f"dbfs:/databricks/mlflow-tracking/{logged['experiment']}"
    return [
        f"models:/{logged['model']}",
        f"runs:/{logged['run']}/old",
        f"{logged['run_uri']}/old",
        logged["model_uri"],
        f"{dbfs}/{logged['run']}/artifacts/old",
        f"{dbfs}/logged_models/{logged['model']}/artifacts",
    ]


def test_a_version_is_a_copy_of_what_was_logged(
    person_of: Any, registry: Registry, logged: dict[str, str], tmp_path: Path
) -> None:
    from sandbox.registry import store

    post = person_of(ADA, "ada")
    for number, source in enumerate(sources(logged), start=1):
        answer = post("model-versions/create", name=NAME, source=source)
        assert answer.status_code == 200, (source, answer.text)
        assert answer.json()["model_version"] | {"version": str(number), "status": "READY"} == answer.json()["model_version"]
    with registry.client("ada-token") as ada:  # whoever logged it may still change it, but not the version
        below = logged["model_uri"].removeprefix("mlflow-artifacts:/")
        ada.put(f"{FILES}/{below}/deep/weights", content=b"changed")
    into = tmp_path / "fetched"
    into.mkdir()
    store.fetch_artifacts(ADA, store.get_version(ADA, NAME, "1"), into)
    assert ((into / "MLmodel").read_bytes(), (into / "deep" / "weights").read_bytes()) == (MLMODEL, b"w")
    made_by = [(each.run_id, each.model_id) for each in store.list_models(ADA)[0].versions][::-1]
    run, model = logged["run"], logged["model"]
    assert made_by == [(run, model), (run, ""), ("", ""), ("", ""), (run, ""), (run, model)]


def test_what_the_run_read_is_lineage_of_the_version(person_of: Any, logged: dict[str, str]) -> None:
    from sandbox.catalog import securables
    from sandbox.models import LineageEdge, Securable

    post = person_of(ADA, "ada")
    schema = Securable.objects.get(full_name="main.default")
    securables.add(securables.SecurableType.TABLE, "main.default.customers", parent=schema, owner="ada@example.org")
    assert post("model-versions/create", name=NAME, source=f"models:/{logged['model']}").status_code == 200
    edges = set(LineageEdge.objects.values_list("source_name", "target_name"))
    table, version = "main.default.customers", f"{NAME}/1"
    assert edges == {(logged["run"], version), (table, logged["run"]), (table, version)}


def test_what_others_logged_is_no_source(person_of: Any, logged: dict[str, str]) -> None:
    post = person_of(BEN, "ben")
    nothing = {key: value.translate(str.maketrans("0123456789", "1234567890")) for key, value in logged.items()}
    for theirs, never in zip(sources(logged), sources(nothing | {"experiment": logged["experiment"]}), strict=True):
        answers = [post("model-versions/create", name=NAME, source=source) for source in (theirs, never)]
        assert answers[0].status_code == answers[1].status_code in {400, 404}
        assert answers[0].json()["error_code"] in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
        assert _unnamed(answers[0].text, theirs, logged) == _unnamed(answers[1].text, never, nothing)
    assert post("model-versions/create", name=NAME, source=f"models:/{logged['model']}").status_code == 404


def _unnamed(text: str, source: str, names: dict[str, str]) -> str:
    """The answer without what was asked for."""
    for name in (source, names["run"], names["model"]):
        text = text.replace(name, "?")
    return text


def test_a_source_without_a_model_makes_no_version(person_of: Any, registry: Registry, logged: dict[str, str]) -> None:
    from sandbox.registry import store
    from sandbox.registry.version_files import root

    post = person_of(ADA, "ada")
    for source in (f"runs:/{logged['run']}/nothing", f"runs:/{logged['run']}", f"{logged['run_uri']}/old/deep"):
        answer = post("model-versions/create", name=NAME, source=source)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert "no MLmodel file" in answer.json()["message"]
    assert store.list_models(ADA)[0].versions == ()
    assert not root().exists()
