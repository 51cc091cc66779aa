"""Logs a model with its feature spec, as a notebook would; prints the model's own predictions. Arguments: name, rows as JSON."""

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression

name, rows, spec = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
frame = pd.DataFrame(rows)[["raw", "a", "b", "ratio"]]
mlflow.set_experiment("tests")
with mlflow.start_run():
    model = LinearRegression().fit(frame, frame["raw"] + 2 * frame["a"] + 3 * frame["b"] + 4 * frame["ratio"])
    logged = mlflow.sklearn.log_model(
        model, name="model", input_example=frame.head(2), serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
    )
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "feature_spec.json").write_text(spec)
    MlflowClient().log_model_artifacts(logged.model_id, folder)
mlflow.register_model(f"models:/{logged.model_id}", name)
print("PREDICTIONS", json.dumps(model.predict(frame).tolist()))
