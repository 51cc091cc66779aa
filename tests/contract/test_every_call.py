"""Requests that schemathesis makes up for every REST operation: no 5xx, and each refusal in the shape that clients read."""

import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.contract.test_coverage_table import REST, routed, shape

CALLS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(Path(__file__).with_name("every_call.yaml").read_text())
SERVING_SURFACE = Path(__file__).with_name("serving") / "rest_surface.yaml"
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
    "number": ["1", "0", "-1", "99999999999999999999", "x"],
    "warehouse": ["sandbox", "gone"],
}
"""What stands in an address, by the name of its parameter."""
ODD_TEXTS = ["", " ", "é'`\"", "..", "a/b", "0", "-1", "{}", "%s", "x" * 5_000, "\u202e", "main", "main.default.t", "users"]
ODD_NUMBERS = [0, -1, 2**31, 2**63, 10**30]
ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string", "pattern": "^[A-Z_]+$"}, "message": {"type": "string", "minLength": 1}},
}


def described(service: str) -> dict[str, Any]:
    """The calls of a service as an OpenAPI document."""
    paths: dict[str, Any] = {}
    for call, parts in CALLS[service].items():
        method, address = call.split()
        operation: dict[str, Any] = {
            "parameters": [
                *(_parameter("path", name, {"enum": NAMES[name]}) for name in re.findall(r"{(\w+)}", address)),
                *(_parameter("query", name, _schema(value)) for name, value in parts.get("query", {}).items()),
            ],
            "responses": {
                "2XX": {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
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


def troubles(service: str, address: str, token: str, examples: int = EXAMPLES_PER_OPERATION) -> list[str]:
    """One line for each operation that answered a request as it must not."""
    found = []
    for each in schemathesis.openapi.from_dict(described(service)).get_all_operations():
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
        except Exception as problem:
            found.append(f"{operation.label}: {problem}")
    return found


@pytest.fixture
def with_objects(client_of: Any) -> Any:
    """The client of somebody who has one of each kind."""
    client = client_of("ada")
    where = {"catalog_name": "main", "schema_name": "default"}
    columns = [{"name": "id", "type_text": "bigint", "type_name": "LONG", "nullable": False, "position": 0}]
    table = {**where, "name": "t", "table_type": "MANAGED", "data_source_format": "DELTA", "columns": columns}
    client.api_client.do("POST", "/api/2.1/unity-catalog/tables", body=table)
    client.api_client.do("POST", "/api/2.1/unity-catalog/volumes", body={**where, "name": "v", "volume_type": "MANAGED"})
    client.api_client.do("POST", "/api/2.1/unity-catalog/models", body={**where, "name": "m"})
    return client


@pytest.mark.parametrize("service", CALLS)
def test_no_request_breaks_it(service: str, site: str, with_objects: Any) -> None:
    assert troubles(service, site, with_objects.config.token) == []


def test_no_address_is_left_out() -> None:
    named = {shape(call.split()[1]) for calls in CALLS.values() for call in calls}
    named |= {shape(path) for path in yaml.safe_load(SERVING_SURFACE.read_text())["paths"]}
    real = {shape(address) for address in routed(get_resolver().url_patterns) if address.startswith(REST)}
    assert real - named == set()
