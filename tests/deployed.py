"""A tiny model, logged and served by the official clients: it adds the columns, so that every prediction can be seen."""

import os
import subprocess
import sys
import tempfile
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from tests.stack import Stack, wait_for

SUM_MODEL = "main.default.adder"
_registered: set[tuple[str, str]] = set()
"""(site, token) of the workspaces that have it."""
_LOG_SUM_MODEL = """
import sys, mlflow, numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
frame = pd.DataFrame(np.random.default_rng(0).uniform(-9, 9, (200, 3)), columns=["a", "b", "c"])
mlflow.set_experiment("tests")
with mlflow.start_run():
    model = LinearRegression().fit(frame, frame.sum(axis=1))
    mlflow.sklearn.log_model(model, name="model", registered_model_name=sys.argv[1], input_example=frame.head(2),
                             serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
"""


def client_environment(stack: Stack, token: str) -> dict[str, str]:
    """The environment of a process that uses the MLflow client on the site."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DATABRICKS_", "DJANGO_"))}
    clients = {"MLFLOW_TRACKING_URI": stack.url, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return inherited | clients


def register_sum_model(stack: Stack, token: str, name: str) -> None:
    """Log and register the model from a process of its own, as a learner's notebook would."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", _LOG_SUM_MODEL, name],
            cwd=folder, env=client_environment(stack, token), capture_output=True, text=True, timeout=180,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


def sum_model(stack: Stack, token: str) -> str:
    """Name of the model in the token's workspace, where it is registered when it is first asked for; its version 1 stays."""
    if (stack.url, token) not in _registered:
        register_sum_model(stack, token, SUM_MODEL)
        _registered.add((stack.url, token))
    return SUM_MODEL


def workspace_client(stack: Stack, token: str) -> Any:
    return WorkspaceClient(host=stack.url, token=token, auth_type="pat")


def deploy_sum_model(stack: Stack, token: str, endpoint: str, *, scale_to_zero: bool = False) -> None:
    """Serve version 1 of the model; returns when the endpoint is READY."""
    entity = ServedEntityInput(
        entity_name=sum_model(stack, token), entity_version="1", workload_size="Small", scale_to_zero_enabled=scale_to_zero
    )
    client = workspace_client(stack, token)
    client.serving_endpoints.create(name=endpoint, config=EndpointCoreConfigInput(name=endpoint, served_entities=[entity]))

    def ready() -> bool:
        found = client.serving_endpoints.get(endpoint)
        assert found.state.config_update.value != "UPDATE_FAILED", f"{found.as_dict()}\n{stack.log_tails()}"
        return bool(found.state.ready.value == "READY")

    wait_for(ready, 120, f"{endpoint} did not become READY", stack.log_tails)
