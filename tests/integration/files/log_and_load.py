"""What a learner runs with DATABRICKS_HOST and DATABRICKS_TOKEN set and nothing else; prints one JSON object.

Arguments: the name of the experiment, the three-level name of a model.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.store.artifact.databricks_artifact_repo import DatabricksArtifactRepository
from sklearn.linear_model import LogisticRegression

experiment, name = sys.argv[1:]
logging.getLogger("mlflow").setLevel(logging.ERROR)
mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
X = pd.DataFrame({"tenure": [1.0, 3.0, 40.0, 60.0], "charges": [90.0, 85.0, 40.0, 25.0]})
y = ["Yes", "Yes", "No", "No"]
shown: dict[str, object] = {}

chosen = mlflow.set_experiment(experiment)
mlflow.sklearn.autolog(log_models=False, log_input_examples=False)
with mlflow.start_run() as run:
    model = LogisticRegression().fit(X, y)
    mlflow.sklearn.autolog(disable=True)
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_metric("loss", 0.25, step=2)
    mlflow.log_input(mlflow.data.from_pandas(X, name="customers"), context="training")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sub folder").mkdir()
        (Path(folder) / "sub folder" / "a b.txt").write_text("plain")
        mlflow.log_artifacts(folder, "files")
    mlflow.log_text("<script>alert(1)</script>", "page.html")
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        signature=mlflow.models.infer_signature(X, model.predict(X)),
        input_example=X,
        registered_model_name=name,
        pip_requirements=["scikit-learn"],
    )
    shown["artifact_uri"] = mlflow.get_artifact_uri()

client = mlflow.MlflowClient()
run_id = run.info.run_id
found = client.get_run(run_id)
shown["run_id"], shown["experiment_id"] = run_id, chosen.experiment_id
shown["location"] = chosen.artifact_location
shown["autologged"] = found.data.params["fit_intercept"]
shown["loss"] = [metric.value for metric in client.get_metric_history(run_id, "loss")]
shown["inputs"] = [each.dataset.name for each in found.inputs.dataset_inputs]
shown["listed"] = [each.path for each in client.list_artifacts(run_id, "files/sub folder")]
shown["text"] = Path(client.download_artifacts(run_id, "files/sub folder/a b.txt")).read_text()
shown["runs"] = len(mlflow.search_runs([chosen.experiment_id]))
shown["logged_models"] = [each.name for each in mlflow.search_logged_models([chosen.experiment_id], output_format="list")]

client.set_registered_model_alias(name, "Champion", logged.registered_model_version)
shown["version"] = client.get_model_version_by_alias(name, "champion").version
loaded = mlflow.pyfunc.load_model(f"models:/{name}@Champion")
shown["equal"] = list(loaded.predict(X)) == list(model.predict(X))
shown["from_logged_model"] = list(mlflow.sklearn.load_model(logged.model_uri).predict(X)) == list(model.predict(X))


@mlflow.trace
def add(a: int, b: int) -> int:
    return a + b


add(1, 2)
mlflow.flush_trace_async_logging()
trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
shown["trace"] = [(span.name, span.outputs) for span in trace.data.spans]
shown["traces"] = len(mlflow.search_traces(locations=[chosen.experiment_id], return_type="list"))

# the way by signed addresses, which MLflow takes when the Files API fails
by_address = DatabricksArtifactRepository(str(shown["artifact_uri"]), tracking_uri="databricks")
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "signed.txt").write_text("by address")
    by_address.log_artifact(str(Path(folder) / "signed.txt"), "files")
    shown["by_address"] = [each.path for each in by_address.list_artifacts("files")]
    shown["downloaded"] = Path(by_address.download_artifacts("files/signed.txt")).read_text()
shown["same_file"] = Path(client.download_artifacts(run_id, "files/signed.txt")).read_text()
print(json.dumps(shown))
