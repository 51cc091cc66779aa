"""A data directory of its own for each test, and models logged as a learner logs them."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pytest
from mlflow.models import infer_signature

from sandbox.builds.operations import BuiltModel, build_model
from sandbox.replicas.pyfunc_service import PyfuncService
from sandbox.replicas.runtimes.onnx import OnnxRuntime
from tests.stack import wait_for

LogModel = Callable[..., Path]

TRUSTED = ["numpy.dtype", "sklearn.tree._tree.Tree", "builtins.object"]
"""What MLflow asks a learner to name for a skops file; a build does not read it."""


@pytest.fixture(scope="session")
def run_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # the address of a socket must be short
        yield Path(folder)


@pytest.fixture(scope="session")
def node(run_dir: Path) -> Iterator[PyfuncService]:
    """What a node of this machine offers to builds: a process that has done their imports."""
    service = PyfuncService.open(run_dir / "pyfunc-tests.sock")
    service.keep_zygote()
    wait_for(lambda: service._zygote, 10, "the zygote was not started")
    yield service
    service.close()


@pytest.fixture(autouse=True)
def warm(node: PyfuncService, run_dir: Path, settings: Any) -> PyfuncService:
    """Builds find the node."""
    settings.RUN_DIR = run_dir
    return node


@pytest.fixture
def data_dir(data_dir: Path, run_dir: Path, settings: Any) -> Path:
    """As elsewhere, but for the node."""
    settings.RUN_DIR = run_dir
    return data_dir


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
