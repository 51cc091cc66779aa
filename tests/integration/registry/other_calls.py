"""Further calls of the unmodified client: autologging, data sets, files, traces, deleting; prints one JSON object."""

import json
import pathlib

import mlflow
import pandas as pd
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

client.delete_run(run.info.run_id)
deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
out["deleted"] = [r.info.run_id == run.info.run_id for r in deleted]
print("RESULT" + json.dumps(out))
