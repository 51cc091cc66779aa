"""A data directory of its own for each test, and models logged as a learner logs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pytest
from mlflow.models import infer_signature

from sandbox.builds.operations import BuiltModel, build_model
from sandbox.replicas.runtimes.onnx import OnnxRuntime

LogModel = Callable[..., Path]

TRUSTED = ["numpy.dtype", "sklearn.tree._tree.Tree", "builtins.object"]
"""What MLflow asks a learner to name for a skops file; a build does not read it."""


@pytest.fixture
def log_model(tmp_path: Path) -> LogModel:
    """Log a fitted scikit-learn model: `log_model(model, X)`; returns the folder that a build gets."""

    def log(model: Any, rows: Any = None, serialization_format: str = "cloudpickle", **options: Any) -> Path:
        directory = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        if rows is not None:
            options = {"signature": infer_signature(rows, model.predict(rows)), "input_example": rows[:5], **options}
        if serialization_format == "skops":
            options["skops_trusted_types"] = TRUSTED
        options.setdefault("pip_requirements", ["scikit-learn"])  # to infer them MLflow loads the model in a process of its own
        mlflow.sklearn.save_model(model, str(directory), serialization_format=serialization_format, **options)
        return directory

    return log


@pytest.fixture
def built(log_model: LogModel, tmp_path: Path) -> Callable[..., tuple[BuiltModel, OnnxRuntime]]:
    """Log and build a model; returns what was stored and a runtime that holds it, as a replica does."""

    def build(model: Any, rows: Any = None, **options: Any) -> tuple[BuiltModel, OnnxRuntime]:
        stored = build_model(log_model(model, rows, **options), into=tmp_path / "store")
        return stored, OnnxRuntime(stored.path.read_bytes())

    return build
