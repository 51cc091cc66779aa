"""A model from code that returns whatever type it is asked for, and remembers how often it was called."""

import logging
import os
import tempfile

import mlflow
import numpy as np
import pandas as pd


class Kinds(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not typed here
    calls = 0

    def load_context(self, context):  # type: ignore[no-untyped-def]  # MLflow's own shape
        with open(context.artifacts["offset"]) as file:
            self.offset = float(file.read())

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow's own shape
        self.calls += 1
        frame = pd.DataFrame({"y": model_input["x"] + self.offset, "name": model_input["name"]})
        if (params or {}).get("kind") == "logged":
            return _logged(frame)
        results = {
            "frame": frame,
            "series": frame["y"],
            "array": frame["y"].to_numpy(),
            "matrix": np.column_stack([frame["y"], frame["y"] * 2]),
            "list": frame["y"].tolist(),
            "dict": {"total": float(frame["y"].sum()), "names": frame["name"].tolist()},
            "text": f"{len(frame)} rows, {self.offset}",
            "dates": [pd.Timestamp("2026-11-22")] * len(frame),
            "missing": [float("nan")] * len(frame),
            "object": object(),
            "calls": self.calls,
            "environment": [os.environ.get("PLAIN"), len(os.environ.get("API_KEY", ""))],
            "temporary": _kept("for a moment"),
        }
        return results[(params or {})["kind"]]


def _logged(frame: pd.DataFrame) -> list[int]:
    logging.info("told: below the level of the root logger")
    logging.warning("told: %d row for %s", len(frame), os.environ.get("API_KEY"))
    try:
        frame["no such key"]
    except KeyError:
        logging.exception("told: it failed")
    return [len(frame)]


def _kept(text: str) -> str:
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write(text)
        file.seek(0)
        return file.read()


mlflow.models.set_model(Kinds())
