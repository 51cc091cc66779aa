"""The unmodified mlflow client logs, registers and loads through the proxy; the site reads what it logged."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import ADA, Registry

LOG_MODELS = """
import json
import mlflow, pandas as pd
from sklearn.linear_model import LogisticRegression

X = pd.DataFrame({"tenure": [1.0, 2.0, 30.0, 60.0], "charges": [90.0, 80.0, 30.0, 20.0]})
model = LogisticRegression().fit(X, ["Yes", "Yes", "No", "No"])
client = mlflow.MlflowClient()
answers = {}
for name, requirements in (("churn", None), ("main.default.logged", ["scikit-learn"])):
    with mlflow.start_run() as run:
        mlflow.log_param("C", 1.0)
        mlflow.log_metric("accuracy", 1.0, step=3)
        mlflow.set_tag("team", "retention")
        info = mlflow.sklearn.log_model(
            model, name="model", registered_model_name=name, input_example=X.head(2), pip_requirements=requirements
        )
    client.set_registered_model_alias(name, "champion", info.registered_model_version)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/{info.registered_model_version}")
    by_alias = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    read = client.get_run(run.info.run_id)
    answers[name] = {
        "version": str(info.registered_model_version),
        "predictions": list(loaded.predict(X)), "by_alias": list(by_alias.predict(X)),
        "params": read.data.params, "metrics": read.data.metrics, "team": read.data.tags["team"],
        "history": [m.step for m in client.get_metric_history(run.info.run_id, "accuracy")],
        "runs": len(mlflow.search_runs(output_format="list")),
    }
answers["found"] = [m.name for m in client.search_registered_models()]
print("RESULT" + json.dumps(answers))
"""


def result_of(output: str) -> Any:
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


@pytest.fixture(scope="module")
def logged(registry: Registry) -> Any:
    """What a learner's program saw after it had logged a model under two names."""
    return result_of(registry.python("ada-token", LOG_MODELS))


@pytest.mark.parametrize("name", ["churn", "main.default.logged"])
def test_a_model_is_logged_registered_and_loaded_back(logged: Any, name: str) -> None:
    answer = logged[name]
    assert answer["version"] == "1"
    assert answer["predictions"] == answer["by_alias"] == ["Yes", "Yes", "No", "No"]
    assert answer["params"] == {"C": "1.0"}
    assert answer["metrics"] == {"accuracy": 1.0}
    assert answer["team"] == "retention"
    assert answer["history"] == [3]
    assert answer["runs"] >= 1
    assert name in logged["found"]


def test_the_site_reads_what_was_logged(registry: Registry, logged: Any, tmp_path: Path) -> None:
    version = registry.store.get_version(ADA, "churn", logged["churn"]["version"])
    assert (version.status, version.aliases) == ("READY", ("champion",))
    assert registry.store.resolve_alias(ADA, "churn", "Champion") == "1"
    registry.store.fetch_artifacts(ADA, version, tmp_path)
    assert (tmp_path / "MLmodel").read_text().startswith("artifact_path")
    assert any(p.name.startswith("model.") and p.stat().st_size > 100 for p in tmp_path.iterdir())
    description = registry.store.describe(ADA, version)
    assert description.flavor == "sklearn"
    assert [c["name"] for c in description.inputs] == ["tenure", "charges"]


CLASSIC = """
import mlflow, json, pathlib
with mlflow.start_run() as run:
    pathlib.Path("m").mkdir()
    pathlib.Path("m/MLmodel").write_text("flavors: {sklearn: {sklearn_version: '1.0'}}\\n")
    mlflow.log_artifacts("m", artifact_path="old")
client = mlflow.MlflowClient()
client.create_registered_model("classic")
v = client.create_model_version("classic", f"runs:/{run.info.run_id}/old", run.info.run_id)
w = client.create_model_version("classic", f"{run.info.artifact_uri}/old", run.info.run_id)
print("RESULT" + json.dumps([v.version, w.version]))
"""


def test_files_of_a_run_resolve_too(registry: Registry, tmp_path: Path) -> None:
    versions = result_of(registry.python("ada-token", CLASSIC))
    for number in versions:
        version = registry.store.get_version(ADA, "classic", str(number))
        registry.store.fetch_artifacts(ADA, version, tmp_path / str(number))
        assert [p.name for p in (tmp_path / str(number)).iterdir()] == ["MLmodel"]


def test_the_models_are_listed_with_their_versions(registry: Registry) -> None:
    assert registry.store.list_models("c" * 32) == []
    registry.python("ada-token", CLASSIC.replace('"classic"', '"listed"'))
    model = next(m for m in registry.store.list_models(ADA) if m.name == "listed")
    assert [v.version for v in model.versions] == ["2", "1"]
