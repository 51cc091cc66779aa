"""Versions of one model that can be told apart by their answers: version n answers a + b + c + 1000 × n."""

import subprocess
import sys
import tempfile

from tests.deployed import client_environment
from tests.stack import Stack

OFFSET = 1000
_LOG = """
import sys, mlflow, numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
frame = pd.DataFrame(np.random.default_rng(0).uniform(-9, 9, (200, 3)), columns=["a", "b", "c"])
mlflow.set_experiment("tests")
for version in range(1, int(sys.argv[2]) + 1):
    with mlflow.start_run():
        model = LinearRegression().fit(frame, frame.sum(axis=1) + 1000 * version)
        mlflow.sklearn.log_model(model, name="model", registered_model_name=sys.argv[1], input_example=frame.head(2),
                                 serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
"""


def register_versions(stack: Stack, token: str, name: str, count: int) -> None:
    """Log and register versions 1 to `count`."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _LOG, name, str(count)],
            cwd=folder, env=client_environment(stack, token), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


def version_of(prediction: float, inputs_sum: float) -> int:
    """Which version computed the prediction. Raises ValueError when none of them can have."""
    version = round((prediction - inputs_sum) / OFFSET)
    if abs(prediction - inputs_sum - OFFSET * version) > 0.01:
        raise ValueError(f"{prediction} is no version's answer to {inputs_sum}")
    return version
