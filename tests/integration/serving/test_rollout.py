"""Updates and failures of a served config, watched through the unmodified SDK."""

import os
import signal
import threading
from typing import Any

import httpx
import pytest
from databricks.sdk.errors import OperationFailed, ResourceConflict
from databricks.sdk.service.serving import Route, ServedEntityInput, TrafficConfig

from tests.deployed import register_sum_model
from tests.stack import Stack, wait_for

GOOD = {"dataframe_records": [{"a": 1.0, "b": 2.0, "c": 3.5}]}
UNCONVERTIBLE = """
import sys, mlflow, numpy as np, pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
class Mystery(ClassifierMixin, BaseEstimator):
    def fit(self, X, y): self.classes_ = np.unique(y); return self
    def predict(self, X): return np.repeat(self.classes_[0], len(X))
frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
mlflow.set_experiment("tests")
with mlflow.start_run():
    mlflow.sklearn.log_model(Mystery().fit(frame, ["No", "Yes"]), name="model", registered_model_name=sys.argv[1],
                             input_example=frame, serialization_format="cloudpickle",
                             pip_requirements=["no-such-package-of-ours==1.2"])
"""


def log(stack: Stack, token: str, code: str, name: str) -> None:
    """Run `code` as a learner's notebook would, with the registry pointed at the site."""
    import subprocess
    import sys

    clients = {"MLFLOW_TRACKING_URI": stack.url, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code, name], env=stack.environment() | clients, capture_output=True, text=True, timeout=180,
        cwd=stack.data_dir,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_old_config_answers_until_the_new_one_is_ready(
    stack: Stack, learner_token: str, sdk: Any, http: httpx.Client, adder: str
) -> None:
    register_sum_model(stack, learner_token, "main.default.adder")
    statuses: list[int] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            statuses.append(http.post(f"/serving-endpoints/{adder}/invocations", json=GOOD).status_code)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        entities = [
            ServedEntityInput(
                entity_name="main.default.adder", entity_version=v, workload_size="Small", scale_to_zero_enabled=False
            )
            for v in ("1", "2")
        ]
        routes = [
            Route(served_model_name="adder-1", traffic_percentage=50),
            Route(served_model_name="adder-2", traffic_percentage=50),
        ]
        details = sdk.serving_endpoints.update_config_and_wait(
            name=adder, served_entities=entities, traffic_config=TrafficConfig(routes=routes)
        )
        wait_for(lambda: len(statuses) > 10, 60, "nobody asked")
    finally:
        stop.set()
        asking.join()
    assert details.config.config_version == 2
    assert set(statuses) == {200}, statuses

    def answered_by() -> set[str]:
        return {http.post(f"/serving-endpoints/{adder}/invocations", json=GOOD).headers["served-model-name"] for _ in range(20)}

    wait_for(lambda: answered_by() == {"adder-1", "adder-2"}, 60, "the new split was not seen")


def test_a_model_that_lacks_a_package_fails_the_update_and_leaves_the_old_config(
    stack: Stack, learner_token: str, sdk: Any, http: httpx.Client, adder: str
) -> None:
    log(stack, learner_token, UNCONVERTIBLE, "main.default.mystery")
    before = sdk.serving_endpoints.get(adder).config.config_version
    with pytest.raises(OperationFailed):
        sdk.serving_endpoints.update_config_and_wait(
            name=adder,
            served_entities=[ServedEntityInput(entity_name="main.default.mystery", entity_version="1", workload_size="Small")],
        )
    details = sdk.serving_endpoints.get(adder)
    assert details.state.config_update.value == "UPDATE_FAILED"
    assert details.state.ready.value == "READY"
    assert details.config.config_version == before
    logs = sdk.serving_endpoints.build_logs(name=adder, served_model_name="mystery-1").logs
    assert "Mystery cannot be converted to ONNX" in logs
    assert "An error occurred while loading the model. No module named 'no-such-package-of-ours==1.2'" in logs
    assert http.post(f"/serving-endpoints/{adder}/invocations", json=GOOD).status_code == 200


def newest_version(http: httpx.Client, name: str) -> str:
    found = http.get("/api/2.0/mlflow/model-versions/search", params={"filter": f"name='{name}'"}).json()["model_versions"]
    return str(max(int(version["version"]) for version in found))


def test_a_second_update_while_one_is_running_is_refused(
    sdk: Any, stack: Stack, learner_token: str, http: httpx.Client, adder: str
) -> None:
    register_sum_model(stack, learner_token, "main.default.adder")
    version = newest_version(http, "main.default.adder")
    entity = ServedEntityInput(
        entity_name="main.default.adder", entity_version=version, workload_size="Small", scale_to_zero_enabled=False
    )
    control = stack.kill("control", signal.SIGSTOP)  # so that the first one is certainly still running
    try:
        waiter = sdk.serving_endpoints.update_config(name=adder, served_entities=[entity])
        with pytest.raises(ResourceConflict):
            sdk.serving_endpoints.update_config(name=adder, served_entities=[entity])
    finally:
        os.kill(control, signal.SIGCONT)
    assert waiter.result().config.served_entities[0].entity_version == version
