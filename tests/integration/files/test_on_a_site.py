"""Unmodified clients on the running site: files by the SDK, MLflow with only the host changed, MLflow's pages by a session."""

import io
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import Stack, wait_for

VOLUME = "/Volumes/main/default/on_a_site"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token("learner")


@pytest.fixture(scope="module")
def w(stack: Stack, token: str) -> Any:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config
    from databricks.sdk.service.catalog import VolumeType

    client = WorkspaceClient(config=Config(host=stack.url, token=token, retry_timeout_seconds=5))
    client.volumes.create("main", "default", "on_a_site", VolumeType.MANAGED)
    return client


@pytest.fixture(scope="module")
def logged(stack: Stack, token: str) -> Any:
    """What the learner's program showed."""
    program = Path(__file__).parent / "log_and_load.py"
    environment = stack.environment() | {
        "DATABRICKS_HOST": stack.url,
        "DATABRICKS_TOKEN": token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    done = subprocess.run(
        [sys.executable, str(program), "/Users/learner/churn", "main.default.logged_by_host"],
        env=environment, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


# --- the SDK's files --------------------------------------------------------------------------------


def test_files_go_up_and_down(w: Any, tmp_path: Path) -> None:
    w.files.create_directory(f"{VOLUME}/a/b")
    w.files.upload(f"{VOLUME}/a/b/c d.txt", io.BytesIO(b"hello"), overwrite=False)
    with pytest.raises(Exception, match="already exists"):
        w.files.upload(f"{VOLUME}/a/b/c d.txt", io.BytesIO(b"again"), overwrite=False)
    assert w.files.download(f"{VOLUME}/a/b/c d.txt").contents.read() == b"hello"
    assert w.files.get_metadata(f"{VOLUME}/a/b/c d.txt").content_length == 5
    assert [(entry.name, entry.is_directory) for entry in w.files.list_directory_contents(f"{VOLUME}/a")] == [("b", True)]
    w.files.delete(f"{VOLUME}/a/b/c d.txt")
    w.files.delete_directory(f"{VOLUME}/a/b")
    assert list(w.files.list_directory_contents(f"{VOLUME}/a")) == []


def test_large_files_are_never_held_in_memory(w: Any, stack: Stack, tmp_path: Path) -> None:
    content = os.urandom(MEGABYTE) * 20
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    config = w.files._config
    config.files_ext_multipart_upload_min_stream_size = config.files_ext_parallel_download_min_file_size = 30 * MEGABYTE
    before = peak_memory_mb(stack)
    w.files.upload_from(f"{VOLUME}/whole.bin", str(source))
    w.files.download_to(f"{VOLUME}/whole.bin", str(target))
    assert target.read_bytes() == content
    assert peak_memory_mb(stack, keep=True) - before < 15

    config.files_ext_multipart_upload_min_stream_size = config.files_ext_parallel_download_min_file_size = 5 * MEGABYTE
    config.files_ext_parallel_download_default_part_size = 3 * MEGABYTE
    w.files.upload_from(f"{VOLUME}/parts.bin", str(source), part_size=6 * MEGABYTE, parallelism=2)
    w.files.download_to(f"{VOLUME}/parts.bin", str(target), use_parallel=True, parallelism=2)
    assert target.read_bytes() == content
    assert not [path for path in (stack.data_dir / "uploads").rglob("*") if path.is_file()]


def peak_memory_mb(stack: Stack, *, keep: bool = False) -> float:
    """The most memory that web had since the last call, which begins anew unless told to keep it."""
    process = Path(f"/proc/{stack.pid('web')}")
    if not keep:
        (process / "clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def test_an_upload_that_a_kill_ends_leaves_nothing_to_see(w: Any, stack: Stack, token: str) -> None:
    path = f"{VOLUME}/killed.bin"
    with socket.create_connection(("127.0.0.1", stack.port)) as connection:
        head = (
            f"PUT /api/2.0/fs/files{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 4000000\r\n\r\n"
        )
        connection.sendall(head.encode() + b"x" * 3_000_000)
        staged = stack.data_dir / "uploads"
        wait_for(lambda: any(each.stat().st_size > MEGABYTE for each in staged.rglob("file-*")), 60, "nothing was staged")
        stack.restart("web")
    assert "killed.bin" not in [entry.name for entry in w.files.list_directory_contents(VOLUME)]
    w.files.upload(path, io.BytesIO(b"second try"))
    assert w.files.download(path).contents.read() == b"second try"


# --- MLflow -----------------------------------------------------------------------------------------


def test_mlflow_works_with_only_the_host_changed(logged: Any) -> None:
    root = f"dbfs:/databricks/mlflow-tracking/{logged['experiment_id']}"
    assert (logged["location"], logged["artifact_uri"]) == (root, f"{root}/{logged['run_id']}/artifacts")
    wanted = {
        "autologged": "True",
        "loss": [0.5, 0.25],
        "listed": ["files/sub folder/a b.txt"],
        "text": "plain",
        "runs": 1,
        "logged_models": ["model"],
        "version": "1",
        "equal": True,
        "from_logged_model": True,
        "trace": [["add", 3]],
        "traces": 1,
        "by_address": ["files/signed.txt", "files/sub folder"],
        "downloaded": "by address",
        "same_file": "by address",
    }
    assert {key: logged[key] for key in wanted} == wanted
    assert "customers" in logged["inputs"]


def test_files_of_a_run_are_its_workspace_s(stack: Stack, token: str, logged: Any) -> None:
    run = f"{logged['experiment_id']}/Runs/{logged['run_id']}"
    path = f"/api/2.0/fs/files/WorkspaceInternal/Mlflow/Artifacts/{run}/artifacts/page.html"
    other_experiment = path.replace(run, "999" + run.removeprefix(logged["experiment_id"]))

    def ask(who: str, address: str, method: str = "GET") -> httpx.Response:
        return httpx.request(method, stack.url + address, headers={"Authorization": f"Bearer {who}"}, timeout=60)

    stranger = stack.token("author")
    assert ask(token, path).text == "<script>alert(1)</script>"
    for response in (
        ask(stranger, path),
        ask(stranger, path, "PUT"),
        ask(stranger, path, "DELETE"),
        ask(token, other_experiment),
    ):
        assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND")
    for call in (f"runs/get?run_id={logged['run_id']}", f"artifacts/list?run_id={logged['run_id']}"):
        assert ask(stranger, f"/api/2.0/mlflow/{call}").json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


# --- MLflow's pages ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser_of(stack: Stack) -> Iterator[Any]:
    """`browser_of(username)`: a client with the person's session, as a browser of this site would send it."""
    opened: list[httpx.Client] = []

    def sign_in(username: str) -> httpx.Client:
        client = httpx.Client(base_url=stack.url, timeout=60, headers={"Origin": stack.url})
        opened.append(client)
        csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/login/").text)
        assert csrf is not None
        form = {"username": username, "password": stack.password(username), "csrfmiddlewaretoken": csrf[1]}
        assert client.post("/login/", data=form).status_code == 302
        return client

    yield sign_in
    for client in opened:
        client.close()


def test_the_pages_are_for_who_is_signed_in(stack: Stack, browser_of: Any) -> None:
    anonymous = httpx.get(f"{stack.url}/sandbox/mlflow/")
    assert (anonymous.status_code, anonymous.headers["location"]) == (302, "/login/?next=%2Fsandbox%2Fmlflow%2F")
    assert httpx.get(f"{stack.url}/sandbox/mlflow/ajax-api/2.0/mlflow/experiments/search").status_code == 401

    page = browser_of("learner").get("/sandbox/mlflow/")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"{stack.url}/sandbox/mlflow/static-files/ {stack.url}/static/js/mlflow_page.js"
    scripts = re.findall(r'<script[^>]* src="([^"]+)"', page.text)
    assert len(scripts) == 2
    assert [httpx.get(httpx.URL(f"{stack.url}/sandbox/mlflow/").join(each)).status_code for each in scripts] == [200, 200]
    links = {"experiments/1/runs/2": "experiments/1/runs/2", "experiments/1": "experiments/1/runs", "experiments": "experiments"}
    led_to = {link: httpx.get(f"{stack.url}/ml/{link}").headers["location"] for link in links}
    assert led_to == {link: f"/sandbox/mlflow/#/{page}" for link, page in links.items()}


def test_the_pages_show_the_own_workspace(browser_of: Any, logged: Any) -> None:
    learner, instructor = browser_of("learner"), browser_of("instructor")
    ajax = "/sandbox/mlflow/ajax-api/2.0/mlflow/"
    run = f"{ajax}runs/get?run_id={logged['run_id']}"
    assert learner.get(run).json()["run"]["info"]["experiment_id"] == logged["experiment_id"]
    assert instructor.get(run).json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    gateway = f"{ajax}gateway-proxy?gateway_path=api/2.0/endpoints/"
    assert (learner.get(gateway).json(), learner.post(gateway, json={}).status_code) == ({"endpoints": []}, 403)
    models = [model["name"] for model in learner.get(f"{ajax}registered-models/search").json()["registered_models"]]
    assert "main.default.logged_by_host" in models
    assert (
        "registered_models"
        not in instructor.get(f"{ajax}registered-models/search?filter=name%3D'main.default.logged_by_host'").json()
    )

    artifact = f"/sandbox/mlflow/get-artifact?path=page.html&run_uuid={logged['run_id']}"
    shown = learner.get(artifact)
    assert shown.text == "<script>alert(1)</script>"
    assert shown.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert instructor.get(artifact).status_code == 404
    query = {"query": 'query { mlflowGetRun(input: {runId: "RUN"}) { run { info { runId } } } }'.replace("RUN", logged["run_id"])}
    found = learner.post("/sandbox/mlflow/graphql", json=query).json()
    assert found["data"]["mlflowGetRun"] == {"run": {"info": {"runId": logged["run_id"]}}}
    assert instructor.post("/sandbox/mlflow/graphql", json=query).json()["data"]["mlflowGetRun"] is None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_other_sites_cannot_write(stack: Stack, browser_of: Any, logged: Any, origin: str) -> None:
    learner = browser_of("learner")
    tag = {"run_id": logged["run_id"], "key": "seen", "value": "yes"}
    address = "/sandbox/mlflow/ajax-api/2.0/mlflow/runs/set-tag"
    for call in (address, "/sandbox/mlflow/ajax-api/2.0/mlflow/registered-models/create", "/sandbox/mlflow/graphql"):
        assert learner.post(call, json=tag, headers={"Origin": origin}).status_code == 403
    assert learner.post(address, json=tag).status_code == 200
    assert learner.post("/sandbox/mlflow/ajax-api/3.0/mlflow/gateway/secrets/create", json={}).status_code == 403
