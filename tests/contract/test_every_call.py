"""Requests made up for every REST operation: no 5xx, and each refusal in the shape that clients read."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import get_resolver

from tests.contract.made_up_requests import Calls, troubles
from tests.contract.test_coverage_table import REST, routed, shape

CALLS: dict[str, Calls] = yaml.safe_load(Path(__file__).with_name("every_call.yaml").read_text())
SERVING_SURFACE = Path(__file__).with_name("serving") / "rest_surface.yaml"


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
    assert troubles(service, CALLS[service], site, with_objects.config.token) == []


def test_no_address_is_left_out() -> None:
    named = {shape(call.split()[1]) for calls in CALLS.values() for call in calls}
    named |= {shape(path) for path in yaml.safe_load(SERVING_SURFACE.read_text())["paths"]}
    real = {shape(address) for address in routed(get_resolver().url_patterns) if address.startswith(REST)}
    assert real - named == set()
