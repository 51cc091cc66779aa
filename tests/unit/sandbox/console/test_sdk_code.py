"""The calls beside the forms are what the official SDK sends, and what curl sends."""

import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ServingEndpointsAPI

from sandbox.console.samples import Sample
from sandbox.console.sdk_code import call, create_call, do_call, update_call

HOST = "http://localhost:8000"
CONFIG: dict[str, Any] = {
    "served_entities": [
        {
            "name": "churn-1",
            "entity_name": "main.default.churn",
            "entity_version": "1",
            "workload_size": "Small",
            "scale_to_zero_enabled": True,
            "workload_type": "GPU_SMALL",
            "environment_vars": {"MODE": "it's fast"},
        },
        {
            "name": "churn-2",
            "entity_name": "main.default.churn",
            "entity_version": "2",
            "min_provisioned_concurrency": 4,
            "max_provisioned_concurrency": 12,
            "scale_to_zero_enabled": False,
        },
    ],
    "traffic_config": {
        "routes": [
            {"served_entity_name": "churn-1", "traffic_percentage": 80},
            {"served_entity_name": "churn-2", "traffic_percentage": 20},
        ]
    },
    "auto_capture_config": {"catalog_name": "main", "schema_name": "ops", "enabled": True},
}
EXTERNAL: dict[str, Any] = {
    "served_entities": [
        {
            "external_model": {
                "provider": "openai",
                "name": "gpt-4o-mini",
                "task": "llm/v1/chat",
                "openai_config": {"openai_api_key": "{{secrets/openai/key}}"},
            }
        }
    ]
}


class Recorder:
    """Stands where the SDK's HTTP client is, and keeps what would be sent."""

    def __init__(self) -> None:
        self._cfg = SimpleNamespace(workspace_id="")
        self.sent: list[tuple[str, str, Any]] = []

    def do(self, method: str, path: str, body: Any = None, **_: Any) -> Any:
        self.sent.append((method, path, body))
        return {"name": "churn"}


def run_python(samples: list[Sample]) -> tuple[str, str, Any]:
    """What the unmodified SDK sends when the sample is run; the wait for READY is left out."""
    code = {sample.label: sample.code for sample in samples}["Python"].replace("_and_wait(", "(")
    recorder = Recorder()
    client: Any = WorkspaceClient.__new__(WorkspaceClient)
    client._api_client = recorder
    client._serving_endpoints = ServingEndpointsAPI(recorder)
    lines = [line for line in code.splitlines() if not line.startswith(("w = ", "print("))]
    exec("\n".join(lines), {"w": client})
    return recorder.sent[0]


def run_curl(samples: list[Sample]) -> tuple[str, str, Any]:
    words = shlex.split({sample.label: sample.code for sample in samples}["REST"].replace("\\\n", " "))
    assert words[words.index("-H") + 1] == "Authorization: Bearer $DATABRICKS_TOKEN"
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    return words[words.index("-X") + 1], words[3].removeprefix(HOST), body


@pytest.mark.parametrize("config", [CONFIG, EXTERNAL])
def test_create_in_both_languages(config: dict[str, Any]) -> None:
    body = {"name": "churn", "config": config, "tags": [{"key": "team", "value": "growth"}], "description": "Who leaves."}
    samples = create_call(HOST, body)
    method, path, sent = run_python(samples)
    assert sent["config"].pop("name") == "churn"  # the SDK's class wants it there too
    assert (method, path, sent) == ("POST", "/api/2.0/serving-endpoints", body)
    assert run_curl(samples) == ("POST", "/api/2.0/serving-endpoints", body)


def test_update_in_both_languages() -> None:
    samples = update_call(HOST, "churn", CONFIG)
    assert run_python(samples) == ("PUT", "/api/2.0/serving-endpoints/churn/config", CONFIG)
    assert run_curl(samples) == ("PUT", "/api/2.0/serving-endpoints/churn/config", CONFIG)


def test_permissions_in_both_languages() -> None:
    asked = {"access_control_list": [{"user_name": "ada@example.org", "permission_level": "CAN_QUERY"}]}
    path = "/api/2.0/permissions/serving-endpoints/abc"
    arguments = {"serving_endpoint_id": "abc", **asked}
    samples = call(HOST, "serving_endpoints.update_permissions", arguments, "PATCH", path, asked)
    assert run_python(samples) == ("PATCH", path, asked)
    assert run_curl(samples) == ("PATCH", path, asked)


def test_the_gateway_in_both_languages() -> None:
    gateway = {
        "rate_limits": [
            {"calls": 5, "tokens": 900, "key": "user_group", "principal": "users", "renewal_period": "minute"},
            {"calls": 100, "key": "endpoint", "renewal_period": "minute"},
        ],
        "usage_tracking_config": {"enabled": True},
        "guardrails": {"input": {"safety": True, "pii": {"behavior": "BLOCK"}}},
        "inference_table_config": {"enabled": True, "catalog_name": "main"},
    }
    path = "/api/2.0/serving-endpoints/churn/ai-gateway"
    samples = call(HOST, "serving_endpoints.put_ai_gateway", {"name": "churn", **gateway}, "PUT", path, gateway)
    assert run_python(samples) == ("PUT", path, gateway)
    assert run_curl(samples) == ("PUT", path, gateway)


def test_an_operation_that_the_sdk_does_not_have() -> None:
    samples = do_call(HOST, "POST", "/api/2.0/serving-endpoints/churn/config:stop")
    assert run_python(samples) == ("POST", "/api/2.0/serving-endpoints/churn/config:stop", None)
    assert run_curl(samples) == ("POST", "/api/2.0/serving-endpoints/churn/config:stop", None)
