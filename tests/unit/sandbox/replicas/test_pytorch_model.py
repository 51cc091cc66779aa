"""A PyTorch model is served as it is where torch is installed, with the answers of MLflow's own scoring.

torch (190 MB to download, 700 MB on the disk) is no requirement of the site and not on the build machine; CONTRIBUTING says how
to run this in an environment that has it. Last run with torch 2.13.0 for CPUs on 2026-11-22.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from sandbox.builds import store
from sandbox.builds.operations import build_model
from sandbox.jail.limits import GIB
from sandbox.replicas.pyfunc_runner import PyfuncRunner
from sandbox.replicas.pyfunc_service import PyfuncService

torch = pytest.importorskip("torch", reason="torch is not installed; CONTRIBUTING, A flavour that is not installed")

BODIES = [
    {"inputs": [[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]]},
    {"instances": [[0.0, 0.0, 0.0]]},
    {"inputs": [[0.5, -1.0]]},
    {"inputs": "text"},
]


@pytest.mark.parametrize("serialization_format", ["pickle", "pt2"])
def test_it_works(tmp_path: Path, data_dir: Path, serialization_format: str) -> None:
    import mlflow.pytorch
    from mlflow.exceptions import MlflowException
    from mlflow.models import infer_signature
    from mlflow.pyfunc import load_model, scoring_server

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    example = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], dtype=np.float32)
    signature = infer_signature(example, network(torch.from_numpy(example)).detach().numpy())
    folder = tmp_path / "model"
    mlflow.pytorch.save_model(
        network,
        str(folder),
        signature=signature,
        input_example=example,
        pip_requirements=["torch", "mlflow"],
        serialization_format=serialization_format,
    )
    model = load_model(str(folder))
    schema = model.metadata.get_input_schema()

    built = build_model(folder, into=tmp_path / "store")
    assert built.runtime == "pyfunc", built.log
    assert store.is_intact(built.path, built.sha256)
    service = PyfuncService.open()
    service.keep_zygote()
    runner, output = PyfuncRunner.start(
        service.orders, str(service.folders.put(built.path, built.sha256)), str(service.folders.scratch), {}, 4 * GIB
    )
    try:
        runner.wait_loaded()
        for body in map(json.dumps, BODIES):
            try:
                wanted = (200, scoring_server.invocations(body, "application/json", model, schema).response)
            except MlflowException as error:
                wanted = (error.get_http_status_code(), error.message)
            status, text = runner.answer("application/json", body.encode(), time.monotonic() + 60)
            found = (status, text if status == 200 else json.loads(text)["message"])
            assert found == wanted, body
    finally:
        runner.kill()
        os.close(output)
        service.close()
