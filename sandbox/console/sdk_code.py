"""A control-plane call as a learner would write it: with the classes of databricks-sdk, and as curl."""

import shlex
from collections.abc import Mapping
from typing import Any

from sandbox.console.json_text import readable
from sandbox.console.samples import TOKEN_PLACE, Sample

Json = Mapping[str, Any]
LINE_CHARACTERS = 68
"""The code stands beside a form."""
CLASSES = {
    "config": "EndpointCoreConfigInput",
    "served_entities": "ServedEntityInput",
    "traffic_config": "TrafficConfig",
    "routes": "Route",
    "auto_capture_config": "AutoCaptureConfigInput",
    "tags": "EndpointTag",
    "add_tags": "EndpointTag",
    "external_model": "ExternalModel",
    "openai_config": "OpenAiConfig",
    "email_notifications": "EmailNotifications",
    "access_control_list": "ServingEndpointAccessControlRequest",
    "rate_limits": "AiGatewayRateLimit",
    "inference_table_config": "AiGatewayInferenceTableConfig",
    "usage_tracking_config": "AiGatewayUsageTrackingConfig",
    "guardrails": "AiGatewayGuardrails",
    "input": "AiGatewayGuardrailParameters",
    "output": "AiGatewayGuardrailParameters",
    "pii": "AiGatewayGuardrailPiiBehavior",
    "fallback_config": "FallbackConfig",
}
"""Field -> the SDK's class of its value, or of each item of its list [sdk: service/serving.py]."""
ENUMS = {
    "workload_type": "ServingModelWorkloadType",
    "provider": "ExternalModelProvider",
    "permission_level": "ServingEndpointPermissionLevel",
    "AiGatewayRateLimit.key": "AiGatewayRateLimitKey",
    "AiGatewayRateLimit.renewal_period": "AiGatewayRateLimitRenewalPeriod",
    "behavior": "AiGatewayGuardrailPiiBehaviorBehavior",
}
"""Field, with its class where the name alone has another meaning elsewhere -> the SDK's enum."""
HEADERS = '  -H "Authorization: Bearer $DATABRICKS_TOKEN" \\\n  -H "Content-Type: application/json"'


def create_call(site_url: str, body: Json) -> list[Sample]:
    """Create an endpoint from the body that the REST API takes."""
    named = {"config": {"name": body.get("name", ""), **body.get("config", {})}}  # the SDK's class wants the name too
    arguments = {"name": body.get("name", ""), **{key: named.get(key, value) for key, value in body.items() if key != "name"}}
    python = sdk(site_url, "serving_endpoints.create_and_wait", arguments, answer="print(endpoint.state)")
    return [Sample("Python", python), Sample("REST", rest(site_url, "POST", "/api/2.0/serving-endpoints", body))]


def update_call(site_url: str, endpoint: str, config: Json) -> list[Sample]:
    """Begin a config update."""
    arguments = {"name": endpoint, **config}
    python = sdk(site_url, "serving_endpoints.update_config_and_wait", arguments, answer="print(endpoint.state)")
    return [
        Sample("Python", python),
        Sample("REST", rest(site_url, "PUT", f"/api/2.0/serving-endpoints/{endpoint}/config", config)),
    ]


def call(site_url: str, method: str, arguments: Json, verb: str, path: str, body: Json | None = None) -> list[Sample]:
    """Any other operation: a method of the SDK's client and its REST call."""
    return [Sample("Python", sdk(site_url, method, arguments)), Sample("REST", rest(site_url, verb, path, body))]


def do_call(site_url: str, verb: str, path: str) -> list[Sample]:
    """An operation that the SDK has no method for."""
    python = f"{_client(site_url)}\nw.api_client.do({verb!r}, {path!r})"
    return [
        Sample("Python", f"from databricks.sdk import WorkspaceClient\n\n{python}"),
        Sample("REST", rest(site_url, verb, path)),
    ]


def sdk(site_url: str, method: str, arguments: Json, answer: str = "") -> str:
    """A program that makes the call; `answer` is a line that uses what came back as `endpoint`."""
    used: set[str] = set()
    lines = "".join(f"    {name}={_value(name, value, '    ', used)},\n" for name, value in arguments.items())
    imports = "from databricks.sdk import WorkspaceClient\n"
    if used:
        names = ", ".join(sorted(used))
        one_line = f"from databricks.sdk.service.serving import {names}\n"
        wrapped = "".join(f"    {name},\n" for name in sorted(used))
        long = f"from databricks.sdk.service.serving import (\n{wrapped})\n"
        imports += one_line if len(one_line) <= LINE_CHARACTERS else long
    result = "endpoint = " if answer else ""
    called = f"{result}w.{method}(\n{lines})"
    return f"{imports}\n{_client(site_url)}\n{called}" + (f"\n{answer}" if answer else "")


def rest(site_url: str, verb: str, path: str, body: Json | None = None) -> str:
    data = "" if body is None else f" \\\n  -d {shlex.quote(readable(body))}"
    headers = HEADERS if body is not None else HEADERS.split(" \\\n")[0]
    return f'curl -X {verb} "{site_url}{path}" \\\n{headers}{data}'


def _client(site_url: str) -> str:
    return f"w = WorkspaceClient(host={site_url!r}, token={TOKEN_PLACE!r})"


def _value(name: str, value: Any, margin: str, used: set[str]) -> str:
    if isinstance(value, list) and name in CLASSES:
        items = [_object(CLASSES[name], item, margin + "    ", used) for item in value]
        return _joined("[", items, "]", margin)
    if isinstance(value, dict) and name in CLASSES:
        return _object(CLASSES[name], value, margin, used)
    if name in ENUMS:
        used.add(ENUMS[name])
        return f"{ENUMS[name]}.{str(value).upper()}"
    return repr(value)


def _object(class_name: str, fields: Json, margin: str, used: set[str]) -> str:
    used.add(class_name)
    inner = margin + "    "
    kinds = {name: full if (full := f"{class_name}.{name}") in ENUMS else name for name in fields}
    return _joined(
        f"{class_name}(", [f"{name}={_value(kinds[name], value, inner, used)}" for name, value in fields.items()], ")", margin
    )


def _joined(begin: str, items: list[str], end: str, margin: str) -> str:
    """On one line while it fits, else one item a line."""
    one_line = f"{begin}{', '.join(items)}{end}"
    if "\n" not in one_line and len(margin) + len(one_line) <= LINE_CHARACTERS:
        return one_line
    inner = margin + "    "
    return begin + "\n" + "".join(f"{inner}{item},\n" for item in items) + margin + end
