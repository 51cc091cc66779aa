"""Further calls of the unmodified client: autologging, data sets, files, traces, renaming and deleting."""

from .conftest import Registry
from .test_learner_client import result_of

PROGRAM = """
import json, pathlib
import mlflow, pandas as pd
from mlflow.entities import ViewType
from sklearn.linear_model import LogisticRegression

out = {}
X = pd.DataFrame({"a": [1.0, 2.0, 30.0, 60.0]})
experiment = mlflow.set_experiment("more")
mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run() as run:
    LogisticRegression().fit(X, [0, 0, 1, 1])
    mlflow.log_input(mlflow.data.from_pandas(X, name="rows"), context="training")
    pathlib.Path("notes.txt").write_text("hello")
    mlflow.log_artifact("notes.txt", artifact_path="docs")
    mlflow.log_dict({"a": 1}, "facts.json")
client = mlflow.MlflowClient()
read = client.get_run(run.info.run_id)
out["autologged"] = sorted(k for k in read.data.params if k in {"C", "max_iter"})
out["inputs"] = sorted(d.dataset.name for d in read.inputs.dataset_inputs)
out["files"] = sorted(f.path for f in client.list_artifacts(run.info.run_id) if not f.path.endswith(".png"))
out["text"] = mlflow.artifacts.load_text(read.info.artifact_uri + "/docs/notes.txt")

@mlflow.trace
def double(x):
    return 2 * x

double(21)
mlflow.flush_trace_async_logging()
traces = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
out["traces"] = [json.loads(t.info.response_preview) for t in traces]
out["spans"] = [s.name for s in traces[0].data.spans]

client.create_registered_model("old-name", tags={"team": "x"}, description="first")
client.rename_registered_model("old-name", "new-name")
client.update_registered_model("new-name", description="second")
out["description"] = client.get_registered_model("new-name").description
client.delete_registered_model("new-name")
out["left"] = [m.name for m in client.search_registered_models("name = 'new-name'")]
client.delete_run(run.info.run_id)
deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
out["deleted"] = [r.info.run_id == run.info.run_id for r in deleted]
print("RESULT" + json.dumps(out))
"""


def test_what_learners_do_besides(registry: Registry) -> None:
    assert result_of(registry.python("ben-token", PROGRAM)) == {
        "autologged": ["C", "max_iter"],
        "inputs": ["dataset", "rows"],
        "files": ["docs", "estimator.html", "facts.json"],
        "text": "hello",
        "traces": [42],
        "spans": ["double"],
        "description": "second",
        "left": [],
        "deleted": [True],
    }
