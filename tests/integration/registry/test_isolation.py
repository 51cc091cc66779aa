"""What one workspace holds is missing for another one, with the answer of a thing that never existed."""

import socket as sockets
from typing import Any

import httpx
import pytest

from .conftest import ADA, Registry

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
PREFIX = f"workspaces/ws-{ADA}"


@pytest.fixture(scope="module")
def adas(registry: Registry) -> dict[str, str]:
    """Ids of an experiment, a run with a file and a logged model that belong to Ada."""
    with registry.client("ada-token") as ada:
        experiment = post(ada, f"{API}/experiments/create", name="private")["experiment_id"]
        run = post(ada, f"{API}/runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
        model = post(ada, f"{API}/logged-models", experiment_id=experiment, name="m")["model"]["info"]
        path = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
        assert path.startswith(PREFIX + "/")
        assert ada.put(f"{FILES}/{path}/MLmodel", content=b"secret").status_code == 200
        assert ada.get(f"{FILES}/{path}/MLmodel").content == b"secret"
    return {"experiment": experiment, "run": run, "model": model["model_id"], "path": path}


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def same_as_missing(theirs: httpx.Response, missing: httpx.Response, their_name: str, missing_name: str) -> None:
    """Both answers are equal but for the name that was asked for, and say that nothing is there."""
    assert theirs.status_code == missing.status_code
    assert theirs.text.replace(their_name, "?") == missing.text.replace(missing_name, "?")


@pytest.mark.parametrize(
    ("kind", "method", "path", "body", "missing"),
    [
        ("experiment", "GET", f"{API}/experiments/get?experiment_id=NAME", None, "987654321"),
        ("experiment", "POST", f"{API}/experiments/update", {"experiment_id": "NAME", "new_name": "x"}, "987654321"),
        ("experiment", "POST", f"{API}/experiments/delete", {"experiment_id": "NAME"}, "987654321"),
        ("experiment", "POST", f"{API}/runs/create", {"experiment_id": "NAME"}, "987654321"),
        ("run", "GET", f"{API}/runs/get?run_id=NAME", None, "0" * 32),
        ("run", "POST", f"{API}/runs/log-metric", {"run_id": "NAME", "key": "k", "value": 1, "timestamp": 1}, "0" * 32),
        ("run", "POST", f"{API}/runs/set-tag", {"run_id": "NAME", "key": "k", "value": "v"}, "0" * 32),
        ("run", "GET", f"{API}/metrics/get-history?run_id=NAME&metric_key=k", None, "0" * 32),
        ("run", "GET", f"{API}/artifacts/list?run_id=NAME", None, "0" * 32),
        ("model", "GET", f"{API}/logged-models/NAME", None, "m-" + "0" * 32),
        ("model", "DELETE", f"{API}/logged-models/NAME", None, "m-" + "0" * 32),
        ("model", "GET", f"{API}/logged-models/NAME/artifacts/directories", None, "m-" + "0" * 32),
    ],
)
def test_their_objects_are_missing(
    registry: Registry, adas: dict[str, str], kind: str, method: str, path: str, body: dict[str, Any] | None, missing: str
) -> None:
    theirs = adas[kind]

    def ask(name: str) -> httpx.Response:
        filled = None if body is None else {k: name if v == "NAME" else v for k, v in body.items()}
        return ben.request(method, path.replace("NAME", name), json=filled)

    with registry.client("ben-token") as ben:
        answer = ask(theirs)
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
        same_as_missing(answer, ask(missing), theirs, missing)


def test_searches_find_nothing_of_theirs(registry: Registry, adas: dict[str, str]) -> None:
    with registry.client("ben-token") as ben:
        assert post(ben, f"{API}/runs/search", experiment_ids=[adas["experiment"]]) == {}
        experiments = ben.get(f"{API}/experiments/search?max_results=100").json()["experiments"]
        assert [e["name"] for e in experiments] == ["Default"]
        logged = ben.post(f"{API}/logged-models/search", json={"experiment_ids": [adas["experiment"]]})
        assert "private" not in logged.text
        assert adas["model"] not in logged.text


def test_a_workspace_header_of_the_client_is_ignored(registry: Registry, adas: dict[str, str]) -> None:
    with registry.client("ben-token") as ben:
        answer = ben.get(f"{API}/runs/get?run_id={adas['run']}", headers={"X-MLFLOW-WORKSPACE": f"ws-{ADA}"})
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_their_files_are_missing(registry: Registry, adas: dict[str, str]) -> None:
    theirs, missing = f"{adas['path']}/MLmodel", f"workspaces/ws-{'9' * 32}/1/x/MLmodel"
    with registry.client("ben-token") as ben:
        answer = ben.get(f"{FILES}/{theirs}")
        assert answer.status_code == 404
        same_as_missing(answer, ben.get(f"{FILES}/{missing}"), theirs, missing)
        listed = ben.get(FILES, params={"path": adas["path"]})
        assert (listed.status_code, listed.json()) == (200, {})
        ben.put(f"{FILES}/{theirs}", content=b"overwritten")
        ben.delete(f"{FILES}/{theirs}")
    with registry.client("ada-token") as ada:
        assert ada.get(f"{FILES}/{theirs}").content == b"secret"


def raw_request(registry: Registry, target: str, method: str = "GET") -> bytes:
    """Send a request line exactly as given (HTTP clients tidy paths up)."""
    host, port = registry.url.removeprefix("http://").split(":")
    with sockets.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ben-token\r\n"
            f"Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "trick",
    [
        "../ws-{ada}/{rest}",
        "%2e%2e/ws-{ada}/{rest}",
        "%252e%252e/ws-{ada}/{rest}",
        "..%2fws-{ada}/{rest}",
        "..%5cws-{ada}/{rest}",
        "x/../../ws-{ada}/{rest}",
        "workspaces/ws-{ben}/../ws-{ada}/{rest}",
        "/workspaces/ws-{ada}/{rest}",
        "./workspaces/ws-{ada}/{rest}",
        "workspaces//ws-{ada}/{rest}",
        "workspaces/ws-{ada}/{rest}",
        "workspaces/ws-{ada}/{rest}%00",
        "WORKSPACES/ws-{ada}/{rest}",
        "../mlflow.sqlite3",
        "../../../../../../etc/passwd",
    ],
)
def test_tricks_with_paths_reach_nothing(registry: Registry, adas: dict[str, str], trick: str, method: str) -> None:
    rest = adas["path"].split("/", 2)[2] + "/MLmodel"
    answer = raw_request(registry, f"{FILES}/" + trick.format(ada=ADA, ben="b" * 32, rest=rest), method)
    assert b"secret" not in answer
    assert b"root:" not in answer
    if method == "GET":
        assert answer.split(b" ")[1] in {b"400", b"404"}
    with registry.client("ada-token") as ada:
        assert ada.get(f"{FILES}/{adas['path']}/MLmodel").content == b"secret"


@pytest.mark.parametrize("field", ["artifact_location", "artifactLocation"])
def test_an_experiment_cannot_choose_its_place(registry: Registry, field: str) -> None:
    with registry.client("ben-token") as ben:
        answer = ben.post(f"{API}/experiments/create", json={"name": "elsewhere", field: "file:///tmp"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Create the experiment without it" in answer.json()["message"]
