"""Requests that schemathesis makes up from plausible ones: fields odd, missing, or of another kind."""

import re
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

Calls = dict[str, dict[str, Any]]
"""Method and address -> what may stand in query and body."""
EXAMPLES_PER_OPERATION = 4
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
NAMES = {
    "catalog": ["main", "system", "gone"],
    "schema": ["main.default", "main.information_schema", "main"],
    "table": ["main.default.t", "main.default.gone", "system.serving.endpoint_usage", "main.default"],
    "volume": ["main.default.v", "main.default.t"],
    "function": ["main.default.f", "main.default.t"],
    "model": ["main.default.m", "main.default.t"],
    "kind": ["table", "catalog", "schema", "volume", "function", "external_location"],
    "kinds": ["tables", "columns", "catalogs", "models"],
    "key": ["k", "champion", "0", "%00"],
    "path": [
        "/Volumes/main/default/v/a",
        "/Volumes/main/default/v",
        "/Volumes/main/gone/v/a",
        "/Models/main/default/m/1/a",
        "/x",
    ],
    "inside": ["/1/a", "/1", "/9/%2e%2e/a", "/9/models/m-1/artifacts/a"],
    "number": ["1", "0", "-1", "99999999999999999999", "x"],
    "warehouse": ["sandbox", "gone"],
}
"""What stands in an address, by the name of its parameter."""
ODD_TEXTS = ["", " ", "é'`\"", "..", "a/b", "0", "-1", "{}", "%s", "x" * 5_000, "\u202e", "main", "main.default.t", "users"]
ODD_NUMBERS = [0, -1, 2**31, 2**63, 10**30]
DONE = {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}}
ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string", "pattern": "^[A-Z_]+$"}, "message": {"type": "string", "minLength": 1}},
}


def described(service: str, calls: Calls) -> dict[str, Any]:
    """The calls of a service as an OpenAPI document. What answers with a `file` says nothing of its success."""
    paths: dict[str, Any] = {}
    for call, parts in calls.items():
        method, address = call.split()
        operation: dict[str, Any] = {
            "parameters": [
                *(_parameter("path", name, {"enum": NAMES[name]}) for name in re.findall(r"{(\w+)}", address)),
                *(_parameter("query", name, _schema(value)) for name, value in parts.get("query", {}).items()),
            ],
            "responses": {
                "2XX": {"description": "Done"} if parts.get("file") else DONE,
                "default": {"description": "Refused", "content": {"application/json": {"schema": ERROR}}},
            },
        }
        if "body" in parts:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(parts["body"])}}}
        paths.setdefault(address, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": service, "version": "1"}, "paths": paths}


def _parameter(where: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": where, "name": name, "required": where == "path", "schema": schema}


def _schema(example: Any) -> dict[str, Any]:
    """What the example is one of: itself, an odd value of its type; an object with one field odd or missing.

    Values are listed, because a made-up one is refused by the first rule that it meets.
    """
    if isinstance(example, dict):
        return {"anyOf": [{"const": example}, *(_with_one_odd(example, name) for name in example)]}
    if isinstance(example, list):
        return {"type": "array", "items": _schema(example[0]), "maxItems": 3}
    if isinstance(example, bool):
        return {"type": "boolean"}
    return {"enum": [example, *(ODD_TEXTS if isinstance(example, str) else ODD_NUMBERS)]}


def _with_one_odd(example: dict[str, Any], odd: str) -> dict[str, Any]:
    properties = {name: _schema(value) if name == odd else {"const": value} for name, value in example.items()}
    needed = [name for name in example if name != odd]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def troubles(service: str, calls: Calls, address: str, token: str, examples: int = EXAMPLES_PER_OPERATION) -> list[str]:
    """One line for each operation that answered a request as it must not."""
    found = []
    for each in schemathesis.openapi.from_dict(described(service, calls)).get_all_operations():
        operation = each.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(base_url=address, headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

        try:
            ask()
        except (Exception, BaseExceptionGroup) as problem:  # several failures of one request come as a group
            found.append(f"{operation.label}: {problem}")
    return found
