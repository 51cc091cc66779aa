"""A poisoned pyfunc model beside a healthy endpoint: what it does to its own requests, and that nobody else notices."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from tests.deployed import deploy_sum_model, workspace_client
from tests.faults.load import Load
from tests.pyfunc_models import CODE
from tests.stack import Stack, wait_for

pytestmark = pytest.mark.faults

CRASH, LEAVE, LOOP, FLOOD, RAISE = 1.0, 2.0, 3.0, 6.0, 8.0
HEALTHY, POISONED = "beside-poison", "poisoned"
LOG_MODEL = """
import sys, mlflow, pandas as pd
from mlflow.models import infer_signature
signature = infer_signature(pd.DataFrame({"x": [1.0]}), [1.0])
with mlflow.start_run():
    mlflow.pyfunc.log_model(name="model", python_model=sys.argv[1], signature=signature, pip_requirements=["mlflow"],
                            registered_model_name="main.default.poisoned")
"""


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token("learner")


@pytest.fixture(scope="module")
def endpoints(stack: Stack, token: str) -> Iterator[str]:
    """The poisoned model and a healthy one, both READY; gives the address of the poisoned one. It spins until it is deleted."""
    deploy_sum_model(stack, token, HEALTHY)
    clients = {"MLFLOW_TRACKING_URI": stack.url, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_DISABLE_TELEMETRY": "true"}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DATABRICKS_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-c", LOG_MODEL, str(CODE / "poisoned.py")],
        cwd=stack.data_dir, env=inherited | clients, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    sdk = workspace_client(stack, token)
    entity = ServedEntityInput(
        entity_name="main.default.poisoned", entity_version="1", workload_size="Small", scale_to_zero_enabled=False
    )
    sdk.serving_endpoints.create(name=POISONED, config=EndpointCoreConfigInput(name=POISONED, served_entities=[entity]))

    def ready() -> bool:
        is_ready, deployment = state(sdk)
        assert deployment != "DEPLOYMENT_FAILED", sdk.serving_endpoints.get(POISONED).as_dict()
        return is_ready == "READY"

    wait_for(ready, 120, "the poisoned model did not become READY", stack.log_tails)
    yield f"{stack.url}/serving-endpoints/{POISONED}/invocations"
    sdk.serving_endpoints.delete(POISONED)


def state(sdk: Any) -> tuple[str, str]:
    """Of the poisoned endpoint: ready, and its entity's state."""
    found = sdk.serving_endpoints.get(POISONED)
    served = (found.config or found.pending_config).served_entities[0]
    return found.state.ready.value, served.state.deployment.value


async def ask(address: str, token: str, value: float) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60, trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        return await client.post(address, json={"dataframe_records": [{"x": value}]})


async def test_its_neighbours_answer_all_the_while(stack: Stack, token: str, endpoints: str) -> None:
    healthy = f"{stack.url}/serving-endpoints/{HEALTHY}/invocations"
    async with Load(healthy, token, "beside") as load:
        await load.until_answered(20, 60)
        spinning = asyncio.create_task(ask(endpoints, token, LOOP))
        good = [asyncio.create_task(ask(endpoints, token, 40.0 + number)) for number in range(8)]
        statuses = {value: (await ask(endpoints, token, value)).status_code for value in (FLOOD, RAISE, CRASH)}
        answers = [(await each).json() for each in good]
        await load.until_answered(50, 60)
        spinning.cancel()  # its own deadline is minutes away; the others were answered beside it
    assert statuses == {FLOOD: 200, RAISE: 400, CRASH: 500}
    assert answers == [{"predictions": [2 * (40.0 + number)]} for number in range(8)]
    assert load.answers.wrong == []
    assert load.answers.refused == {}
    assert load.answers.broken == set()


async def test_what_it_prints_is_in_its_service_log(stack: Stack, token: str, endpoints: str) -> None:
    await ask(endpoints, token, RAISE)
    sdk = workspace_client(stack, token)
    wait_for(lambda: "about to fail None" in sdk.serving_endpoints.logs(POISONED, "poisoned-1").logs, 90, "no line in the log")


async def test_three_deaths_and_it_has_failed_and_nobody_else(stack: Stack, token: str, endpoints: str) -> None:
    sdk = workspace_client(stack, token)
    for _ in range(3):
        assert (await ask(endpoints, token, LEAVE)).status_code == 500
    wait_for(lambda: state(sdk)[1] == "DEPLOYMENT_FAILED", 60, "the entity did not fail", stack.log_tails)
    answer = await ask(endpoints, token, 40.0)
    assert answer.status_code == 500
    assert "exited with status 9" in answer.json()["message"]
    healthy = await ask(f"{stack.url}/serving-endpoints/{HEALTHY}/invocations", token, 0.0)
    assert healthy.json()["error_code"] == "INVALID_PARAMETER_VALUE", "asked for x, it lacks a, b and c, and says so"
