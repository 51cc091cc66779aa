"""The proxy's pure rules: routes, paths, bodies."""

import base64
from typing import Any

import pytest
from mlflow.utils.search_utils import SearchLoggedModelsPaginationToken

from sandbox.errors import InvalidParameterValue, InvalidState
from sandbox.registry.artifact_paths import path_of_uri, scoped_path
from sandbox.registry.body_rules import checked_body, checked_query
from sandbox.registry.mlmodel import describe_mlmodel
from sandbox.registry.routes import Kind, Route, find_route

OWN = "workspaces/ws-a"


@pytest.mark.parametrize(
    ("asked", "scoped"),
    [
        ("", OWN),
        ("model/MLmodel", f"{OWN}/model/MLmodel"),
        (f"{OWN}/1/x", f"{OWN}/1/x"),
        (OWN, OWN),
        ("workspaces/ws-b/1/x", f"{OWN}/workspaces/ws-b/1/x"),
        ("workspaces/ws-ab/1/x", f"{OWN}/workspaces/ws-ab/1/x"),
        ("workspaces", f"{OWN}/workspaces"),
        ("folder/", f"{OWN}/folder"),
        ("100%.txt", f"{OWN}/100%.txt"),
    ],
)
def test_every_path_ends_up_in_the_own_folder(asked: str, scoped: str) -> None:
    assert scoped_path("ws-a", asked) == scoped


@pytest.mark.parametrize("asked", ["..", "a/../b", "/a", "a//b", "./a", "a\\b", "a\x00", "%2e%2e/a", "a%2Fb", "x" * 1025])
def test_climbing_paths_are_refused(asked: str) -> None:
    with pytest.raises(InvalidParameterValue, match="Artifact path"):
        scoped_path("ws-a", asked)


@pytest.mark.parametrize(
    "uri", ["mlflow-artifacts:/workspaces/ws-b/1", "mlflow-artifacts://host/workspaces/ws-a/1", "file:/x", "s3://b/x", ""]
)
def test_other_addresses_are_not_ours(uri: str) -> None:
    with pytest.raises(InvalidParameterValue):
        path_of_uri("ws-a", uri)


def test_an_address_of_ours() -> None:
    assert path_of_uri("ws-a", f"mlflow-artifacts:/{OWN}/1/models/m-1/artifacts") == f"{OWN}/1/models/m-1/artifacts"


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/api/2.0/mlflow/runs/create", Route(Kind.JSON)),
        ("GET", "/api/2.0/mlflow/logged-models/m-123", Route(Kind.JSON)),
        ("GET", "/api/3.0/mlflow/server-info", Route(Kind.SERVER_INFO)),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts", Route(Kind.ARTIFACT_LIST)),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/a/b", Route(Kind.ARTIFACT, "a/b")),
        ("PATCH", "/api/2.0/mlflow-artifacts/artifacts/a/b", None),
        ("GET", "/api/2.0/mlflow/runs/create", None),
        ("GET", "/api/2.0/mlflow/runs/get/", None),
        ("GET", "/api/2.0/mlflow/runs/get\n", None),
        ("POST", "/api/2.0/mlflow/webhooks", None),
        ("GET", "/ajax-api/2.0/mlflow/experiments/search", None),
    ],
)
def test_the_list_of_calls(method: str, path: str, route: Route | None) -> None:
    assert find_route(method, path) == route


def test_the_default_experiment_is_named() -> None:
    assert checked_body("/api/2.0/mlflow/runs/create", {"experiment_id": "0", "x": "0"}, "7") == {"experiment_id": "7", "x": "0"}
    assert checked_body("/api/2.0/mlflow/runs/create", {"experimentId": 0}, "7") == {"experimentId": "7"}
    assert checked_body("/x", {"experiment_ids": ["0", "3", "None"]}, "7") == {"experiment_ids": ["7", "3", "7"]}
    assert checked_query([("experiment_id", "0"), ("max_results", "0")], "7") == [("experiment_id", "7"), ("max_results", "0")]


@pytest.mark.parametrize("token", ["x", "%s", "", 5, [], "e30=", base64.b64encode(b'{"offset": "a"}').decode(), "W" * 5000])
def test_only_a_page_token_of_mlflow_goes_on(token: Any) -> None:
    call, body = "/api/2.0/mlflow/logged-models/search", {"page_token": token}
    if token in ("", []):
        assert checked_body(call, body, "7") == body
        return
    with pytest.raises(InvalidParameterValue, match="is no page token"):
        checked_body(call, body, "7")


def test_the_page_token_of_an_answer_goes_on() -> None:
    body = {"page_token": SearchLoggedModelsPaginationToken(["7"], offset=5).encode()}
    assert checked_body("/api/2.0/mlflow/logged-models/search", body, "7") == body


def test_ids_of_experiments_are_numbers() -> None:
    assert checked_query([("experiment_ids", "0"), ("experiment_ids", "12")], "7") == [
        ("experiment_ids", "7"),
        ("experiment_ids", "12"),
    ]
    with pytest.raises(InvalidParameterValue, match="not ''"):
        checked_query([("experiment_ids", "")], "7")


def test_a_trace_cannot_choose_its_place() -> None:
    body = {"trace": {"tags": [{"key": "mlflow.artifactLocation", "value": "file:///etc"}]}}
    with pytest.raises(InvalidParameterValue, match="set by the registry"):
        checked_body("/api/3.0/mlflow/traces", body, "7")
    with pytest.raises(InvalidParameterValue, match="set by the registry"):
        checked_body("/api/2.0/mlflow/traces/tr-1/tags", {"key": "mlflow.artifactLocation", "value": "x"}, "7")


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b"flavors: {}", b"flavors: 3", b"a: " + b"[" * 2000])
def test_a_broken_mlmodel_is_a_sentence(content: bytes) -> None:
    with pytest.raises(InvalidState, match="MLmodel"):
        describe_mlmodel(content)
