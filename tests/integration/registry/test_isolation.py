"""What one workspace holds is missing for another one, with the answer of a thing that never existed."""

import socket as sockets
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.errors import ResourceDoesNotExist

from .conftest import ADA, BEN, Registry

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
PREFIX = f"workspaces/ws-{ADA}"


@pytest.fixture(scope="module")
def adas(registry: Registry) -> dict[str, str]:
    """Ids of an experiment, a run with a file, a logged model and a registered version that belong to Ada."""
    with registry.client("ada-token") as ada:
        experiment = post(ada, f"{API}/experiments/create", name="private")["experiment_id"]
        run = post(ada, f"{API}/runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
        model = post(ada, f"{API}/logged-models", experiment_id=experiment, name="m")["model"]["info"]
        path = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
        assert path.startswith(PREFIX + "/")
        assert ada.put(f"{FILES}/{path}/MLmodel", content=b"secret").status_code == 200
        post(ada, f"{API}/registered-models/create", name="private-model")
        source = f"models:/{model['model_id']}"
        post(ada, f"{API}/model-versions/create", name="private-model", source=source, model_id=model["model_id"])
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
        ("name", "GET", f"{API}/registered-models/get?name=NAME", None, "no-such-thing"),
        ("name", "GET", f"{API}/model-versions/get?name=NAME&version=1", None, "no-such-thing"),
        ("name", "GET", f"{API}/model-versions/get-download-uri?name=NAME&version=1", None, "no-such-thing"),
        ("name", "POST", f"{API}/registered-models/alias", {"name": "NAME", "alias": "a", "version": "1"}, "no-such-thing"),
        ("name", "DELETE", f"{API}/registered-models/delete", {"name": "NAME"}, "no-such-thing"),
    ],
)
def test_their_objects_are_missing(
    registry: Registry, adas: dict[str, str], kind: str, method: str, path: str, body: dict[str, Any] | None, missing: str
) -> None:
    theirs = adas.get(kind, "private-model")

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
        assert ben.get(f"{API}/registered-models/search").json() == {}
        assert ben.get(f"{API}/model-versions/search").json() == {}
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


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "http://localhost:1/x",
        "s3://bucket/x",
        "dbfs:/x",
        "mlflow-artifacts://other-host/x",
        "mlflow-artifacts:/../../etc",
        f"mlflow-artifacts:/{PREFIX}/1/x",
        "FILE:///etc/passwd",
        "",
        7,
    ],
)
def test_hostile_sources_are_refused(registry: Registry, source: object) -> None:
    with registry.client("ben-token") as ben:
        ben.post(f"{API}/registered-models/create", json={"name": "hostile"})
        answer = ben.post(f"{API}/model-versions/create", json={"name": "hostile", "source": source})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_their_model_is_no_source(registry: Registry, adas: dict[str, str], tmp_path: Path) -> None:
    with registry.client("ben-token") as ben:
        ben.post(f"{API}/registered-models/create", json={"name": "borrowed"})
        for source, key in [("models:/NAME", "model_id"), ("runs:/NAME/m", "run_id"), ("models:/NAME/1", "")]:
            theirs = {"model_id": adas["model"], "run_id": adas["run"]}.get(key, "private-model")
            missing = {"model_id": "m-" + "0" * 32, "run_id": "0" * 32}.get(key, "no-such-thing")
            answers = []
            for name in (theirs, missing):
                body = {"name": "borrowed", "source": source.replace("NAME", name)} | ({key: name} if key else {})
                answers.append(ben.post(f"{API}/model-versions/create", json=body))
            assert answers[0].status_code == answers[1].status_code
            if answers[0].is_error:
                same_as_missing(answers[0], answers[1], theirs, missing)
        placed = {"name": "borrowed", "source": f"mlflow-artifacts:/{adas['path']}", "run_id": adas["run"]}
        assert ben.post(f"{API}/model-versions/create", json=placed).is_error
        made = ben.get(f"{API}/model-versions/search").json()["model_versions"]
    # MLflow takes any run id at its word, so versions of runs that are not there exist; they have no files
    assert {v["source"] for v in made} <= {f"runs:/{adas['run']}/m", f"runs:/{'0' * 32}/m"}
    for version in made:
        found = registry.store.get_version(BEN, "borrowed", version["version"])
        with pytest.raises(ResourceDoesNotExist):
            registry.store.fetch_artifacts(BEN, found, tmp_path / version["version"])


@pytest.mark.parametrize("field", ["artifact_location", "artifactLocation"])
def test_an_experiment_cannot_choose_its_place(registry: Registry, field: str) -> None:
    with registry.client("ben-token") as ben:
        answer = ben.post(f"{API}/experiments/create", json={"name": "elsewhere", field: "file:///tmp"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "Create the experiment without it" in answer.json()["message"]
