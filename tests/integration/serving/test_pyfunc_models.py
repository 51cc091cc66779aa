"""Models that cannot become ONNX, served as they are: every answer is what MLflow's own scoring answers for the same body."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    Route,
    ServedEntityInput,
    TelemetryConfig,
    TrafficConfig,
    UnityCatalogTableNames,
)

from sandbox.replicas.pyfunc_worker import PYFUNC_PLACES
from tests.pyfunc_models import CODE
from tests.stack import Stack, wait_for

ENDPOINT = "pyfuncs"
SECRET = "a-key-nobody-may-see"
LOGS = "main.default.pyfuncs_otel_logs"
MODELS = ("kinds", "threshold", "words", "greeter")


@pytest.fixture(scope="session")
def mlflows_answers(stack: Stack, learner_token: str) -> dict[str, dict[str, list[Any]]]:
    """For each model: body -> status and body as MLflow's scoring server has them. The models are registered then."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DATABRICKS_", "DJANGO_"))}
    clients = {"MLFLOW_TRACKING_URI": stack.url, "MLFLOW_TRACKING_TOKEN": learner_token, "MLFLOW_DISABLE_TELEMETRY": "true"}
    script = Path(__file__).with_name("log_pyfunc_models.py")
    environment = {"PLAIN": "in the open", "API_KEY": SECRET}
    done = subprocess.run(
        [sys.executable, str(script), "main.default", str(CODE)],
        cwd=stack.data_dir, env=inherited | clients | environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.search(r"^ANSWERS (.*)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    return {name: logged["answers"] for name, logged in json.loads(found[1]).items()}


@pytest.fixture(scope="session")
def pyfuncs(stack: Stack, learner_token: str, sdk: Any, mlflows_answers: Any) -> str:
    """One endpoint that serves all of them, READY."""
    sdk.secrets.create_scope("keys")
    sdk.secrets.put_secret("keys", "api", string_value=SECRET)
    variables = {"PLAIN": "in the open", "API_KEY": "{{secrets/keys/api}}"}
    entities = [
        ServedEntityInput(
            name=name,
            entity_name=f"main.default.{name}",
            entity_version="1",
            workload_size="Small",
            scale_to_zero_enabled=False,
            environment_vars=variables,
        )
        for name in MODELS
    ]
    shares = (25, 25, 25, 25)
    routes = [Route(served_model_name=name, traffic_percentage=share) for name, share in zip(MODELS, shares, strict=True)]
    config = EndpointCoreConfigInput(name=ENDPOINT, served_entities=entities, traffic_config=TrafficConfig(routes=routes))
    telemetry = TelemetryConfig(table_names=UnityCatalogTableNames(logs_table=LOGS))
    sdk.serving_endpoints.create(name=ENDPOINT, config=config, telemetry_config=telemetry)

    def ready() -> bool:
        found = sdk.serving_endpoints.get(ENDPOINT)
        assert found.state.config_update.value != "UPDATE_FAILED", f"{found.as_dict()}\n{stack.log_tails()}"
        return bool(found.state.ready.value == "READY")

    wait_for(ready, 180, f"{ENDPOINT} did not become READY", stack.log_tails)
    return ENDPOINT


def ask(http: httpx.Client, served: str, body: str) -> httpx.Response:
    path = f"/serving-endpoints/{ENDPOINT}/served-models/{served}/invocations"
    return http.post(path, content=body, headers={"Content-Type": "application/json"})


def test_it_works(http: httpx.Client, pyfuncs: str) -> None:
    body = {"dataframe_records": [{"x": 1.0, "name": "a"}], "params": {"kind": "list"}, "client_request_id": "mine"}
    answer = ask(http, "kinds", json.dumps(body))
    assert (answer.status_code, answer.json()) == (200, {"predictions": [3.5]})


@pytest.mark.parametrize("served", MODELS)
def test_every_answer_is_mlflows_own(
    http: httpx.Client, pyfuncs: str, mlflows_answers: dict[str, dict[str, list[Any]]], served: str
) -> None:
    assert mlflows_answers[served]
    for body, (status, text) in mlflows_answers[served].items():
        answer = ask(http, served, body)
        assert (answer.status_code, without_trace(answer.text)) == (status, without_trace(text)), body


def without_trace(text: str) -> str:
    """The traceback names lines of MLflow's own files and where they lie; that there is one is compared. Sets have no order."""
    text = re.sub(r"\{('\w+'(?:, '\w+')+)\}", lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", text)
    return re.sub(r'"stack_trace": "[^"\\]*(?:\\.[^"\\]*)*"', '"stack_trace": "…"', text)


def test_the_model_sees_its_environment_and_keeps_its_state(http: httpx.Client, pyfuncs: str) -> None:
    records = [{"x": 1.0, "name": "a"}]

    def kind(which: str) -> Any:
        return ask(http, "kinds", json.dumps({"dataframe_records": records, "params": {"kind": which}})).json()["predictions"]

    assert kind("environment") == ["in the open", len(SECRET)]
    # up to four runners take turns, each with a state of its own
    assert max(kind("calls") for _ in range(2 * PYFUNC_PLACES + 1)) >= 3
    assert kind("temporary") == "for a moment"


def test_a_result_without_a_json_form_is_told(http: httpx.Client, pyfuncs: str) -> None:
    body = {"dataframe_records": [{"x": 1.0, "name": "a"}], "params": {"kind": "object"}}
    answer = ask(http, "kinds", json.dumps(body))
    assert answer.status_code == 400
    assert "not JSON serializable" in answer.json()["message"]


def test_the_build_log_says_how_it_is_served(sdk: Any, pyfuncs: str) -> None:
    log = sdk.serving_endpoints.build_logs(pyfuncs, "threshold").logs
    assert "cannot be converted to ONNX" in log
    assert "runs as it is, with MLflow, in a jailed process" in log
    assert "Answered its input example" in log


def test_what_the_model_logs_is_read_with_sql(http: httpx.Client, sdk: Any, pyfuncs: str) -> None:
    records = [{"x": 1.0, "name": "a"}]
    answer = ask(http, "kinds", json.dumps({"dataframe_records": records, "params": {"kind": "logged"}}))
    assert answer.json() == {"predictions": [1]}

    def rows(statement: str) -> list[list[str]]:
        return sdk.statement_execution.execute_statement(statement=statement, warehouse_id="sandbox").result.data_array or []

    logged = f"""
        SELECT severity_text, body, attributes['exception.type'], resource.attributes['served_entity_name']
        FROM {LOGS} WHERE timestamp > current_timestamp() - INTERVAL 1 HOUR AND body LIKE 'told:%' ORDER BY timestamp
    """
    wanted = [["WARN", "told: 1 row for [REDACTED]", None, "kinds"], ["ERROR", "told: it failed", "KeyError", "kinds"]]
    assert wait_for(lambda: found if len(found := rows(logged)) >= 2 else None, 60, "nothing was logged") == wanted
    service_log = sdk.serving_endpoints.logs(pyfuncs, "kinds").logs
    assert "WARNING:root:told: 1 row for [REDACTED]" in service_log
    assert "KeyError: 'no such key'" in service_log
