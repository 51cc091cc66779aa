"""Requests that schemathesis makes up after the description of the REST surface: no 5xx, and the promised shapes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.contract.serving.endpoints import activate, config, entity
from tests.contract.test_coverage_table import shape

SURFACE = Path(__file__).with_name("rest_surface.yaml")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES_PER_OPERATION = 10


def id_of_churn() -> str:
    from sandbox.serving.models import Endpoint

    found = Endpoint.objects.filter(name="churn").first()
    return found.id if found else "deleted"


surface = schemathesis.openapi.from_path(str(SURFACE))


@pytest.fixture
def connection() -> Iterator[requests.Session]:
    """One connection for all requests of a test."""
    with requests.Session() as session:
        yield session


@pytest.fixture(autouse=True)
def some_endpoints(w: Any) -> None:
    """One that serves, one that updates, one that is stopped."""
    for name in ("churn", "updating", "stopped"):
        w.serving_endpoints.create(name=name, config=config(1))
        activate(name)
    w.serving_endpoints.update_config("updating", served_entities=[entity(2)])
    w.api_client.do("POST", "/api/2.0/serving-endpoints/stopped/config:stop")


@surface.parametrize()
@settings(
    max_examples=EXAMPLES_PER_OPERATION,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_it(case: Any, site: str, w: Any, connection: requests.Session) -> None:
    if case.path_parameters.get("endpoint_id") == "id-of-churn":
        case.path_parameters["endpoint_id"] = id_of_churn()
    bearer = {"Authorization": f"Bearer {w.config.token}"}
    case.call_and_validate(base_url=site, session=connection, headers=bearer, checks=CHECKS)


def test_the_description_has_every_address() -> None:
    from sandbox.serving.urls import OPERATIONS

    described = {shape(path) for path in surface.raw_schema["paths"]}
    assert {shape(f"/{address}") for address, _ in OPERATIONS} <= described


def test_every_view_of_an_endpoint_asks_for_a_permission(site: str, w: Any) -> None:
    """A member without any permission: 403 on each address with a name or an id, whatever the method."""
    import httpx

    from sandbox.serving.models import Endpoint
    from sandbox.serving.urls import OPERATIONS
    from sandbox.workspaces.members import add_member
    from sandbox.workspaces.models import User
    from sandbox.workspaces.operations import issue_token

    workspace = Endpoint.objects.get(name="churn").workspace
    bob = User.objects.create_user("bob", password="a long pass phrase")
    add_member(workspace, "bob")
    _, plain = issue_token(workspace, bob)
    values = {"name": "churn", "served_name": "churn-1", "endpoint_id": Endpoint.objects.get(name="churn").id}
    ask: Callable[..., httpx.Response] = httpx.Client(headers={"Authorization": f"Bearer {plain}"}).request
    refused = 0
    for address, _ in OPERATIONS[1:]:
        path = re.sub(r"<str:(\w+)>", lambda match: values[match[1]], address)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = ask(method, f"{site}/{path}", json={})
            assert answer.status_code in {403, 405}, (method, path, answer.text)
            refused += answer.status_code == 403
    assert refused == len(OPERATIONS) - 1 + 3  # one method each; DELETE, and PUT and PATCH of permissions, besides GET
