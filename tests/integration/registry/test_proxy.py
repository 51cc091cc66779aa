"""Refusals, limits and failures of the registry's proxy."""

import tempfile
from pathlib import Path

import httpx
import pytest
from django.conf import LazySettings

from sandbox.registry.mlflow_store import store_on
from sandbox.registry.proxy import RegistryProxy

from .conftest import Registry, _authenticate, start_mlflow, wait_until

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/3.0/mlflow/workspaces"),
        ("POST", "/api/3.0/mlflow/workspaces"),
        ("DELETE", f"/api/3.0/mlflow/workspaces/ws-{'a' * 32}"),
        ("GET", f"{API}/webhooks"),
        ("POST", f"{API}/webhooks"),
        ("POST", "/api/3.0/mlflow/gateway/secrets/create"),
        ("GET", "/api/3.0/mlflow/prompt-optimization/jobs/search"),
        ("POST", "/api/3.0/mlflow/scorers/register"),
        ("POST", "/api/3.0/mlflow/datasets/create"),
        ("GET", "/api/3.0/mlflow/traces/get"),
        ("POST", f"{API}/artifacts/presigned-upload-url"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/x"),
        ("GET", "/api/2.0/mlflow-artifacts/presigned/x"),
        ("POST", f"{API}/runs/get"),
        ("GET", "/api/3.0/mlflow/traces/batchGet"),
        ("GET", f"{API}/runs/get%2f..%2fsearch"),
    ],
)
def test_everything_else_is_refused(registry: Registry, method: str, path: str) -> None:
    with registry.client("ada-token") as ada:
        answer = ada.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "is not offered by this registry" in answer.json()["message"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}])
def test_nobody_gets_in_without_a_token(registry: Registry, header: dict[str, str]) -> None:
    answer = httpx.get(f"{registry.url}{API}/experiments/search?max_results=1", headers=header, trust_env=False)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert "MLFLOW_TRACKING_TOKEN" in answer.json()["message"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "not valid JSON"),
        (b"[1]", "must be a JSON object, not list"),
        (b'"{}"', "must be a JSON object, not str"),
        (b'{"name": NaN}', "not valid JSON"),
        (b"[" * 5000, "not valid JSON"),
    ],
)
def test_a_bad_body_is_explained(registry: Registry, content: bytes, sentence: str) -> None:
    with registry.client("ada-token") as ada:
        answer = ada.post(f"{API}/experiments/create", content=content)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert sentence in answer.json()["message"]


def test_the_server_s_own_errors_pass(registry: Registry) -> None:
    with registry.client("ada-token") as ada:
        answer = ada.post(f"{API}/runs/create", json={"experiment_id": "987654321"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "987654321" in answer.json()["message"]


def test_a_folder_asked_for_as_a_file_is_explained(registry: Registry) -> None:
    with registry.client("ada-token") as ada:
        assert ada.put(f"{FILES}/folder/file", content=b"x").status_code == 200
        answer = ada.get(f"{FILES}/folder")
    message = "Artifact path refers to a directory, not a file: 'folder'"
    assert (answer.status_code, answer.json()) == (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})


def test_a_missing_file_is_named_as_it_was_asked_for(registry: Registry) -> None:
    with registry.client("ada-token") as ada:
        answer = ada.get(f"{FILES}/none/such")
    message = "No such artifact: 'none/such'"
    assert (answer.status_code, answer.json()) == (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message})


def test_a_file_over_the_limit_is_413_and_leaves_nothing(registry: Registry, settings: LazySettings) -> None:
    settings.ARTIFACT_BODY_LIMIT_BYTES = 1000
    with registry.client("ada-token") as ada:
        declared = ada.put(f"{FILES}/big/declared", content=b"x" * 1001)
        chunked = ada.put(f"{FILES}/big/chunked", content=iter([b"x" * 600, b"x" * 600]))
        fits = ada.put(f"{FILES}/big/fits", content=iter([b"x" * 600, b"x" * 400]))
        listed = ada.get(FILES, params={"path": "big"}).json()["files"]
    assert [declared.status_code, chunked.status_code, fits.status_code] == [413, 413, 200]
    assert declared.json()["error_code"] == chunked.json()["error_code"] == "REQUEST_TOO_LARGE"
    assert [(f["path"], f["file_size"]) for f in listed] == [("fits", 1000)]


def test_a_json_body_over_the_limit_is_413(registry: Registry) -> None:
    with registry.client("ada-token") as ada:
        answer = ada.post(f"{API}/runs/log-batch", content=b" " * (4 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "REQUEST_TOO_LARGE")


def test_large_files_stream_through(registry: Registry) -> None:
    piece = bytes(range(256)) * 4096
    with registry.client("ada-token") as ada:
        assert ada.put(f"{FILES}/large.bin", content=(piece for _ in range(32))).status_code == 200
        with ada.stream("GET", f"{FILES}/large.bin") as answer:
            assert answer.headers["content-length"] == str(32 * len(piece))
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert all(part == piece[: len(part)] for part in _pieces(answer, len(piece)))


def _pieces(answer: httpx.Response, size: int) -> list[bytes]:
    content = b"".join(answer.iter_bytes())
    return [content[i : i + size] for i in range(0, len(content), size)]


def test_a_name_with_odd_characters_keeps_its_place(registry: Registry) -> None:
    with registry.client("ada-token") as ada:
        for name in ["Größe 100.txt", "a+b&c=d.txt", "100%.txt"]:
            quoted = httpx.URL("/").copy_with(path=f"/{name}").raw_path.decode().replace("100%.", "100%25.")
            assert ada.put(f"{FILES}/odd{quoted}", content=name.encode()).status_code == 200, quoted
            assert ada.get(f"{FILES}/odd{quoted}").text == name
        listed = {f["path"] for f in ada.get(FILES, params={"path": "odd"}).json()["files"]}
    assert listed == {"Größe 100.txt", "a+b&c=d.txt", "100%.txt"}


async def test_a_server_that_is_down_is_503() -> None:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        proxy = RegistryProxy(_authenticate, Path(folder) / "no.sock")
        transport = httpx.ASGITransport(app=proxy)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
            answer = await client.get(f"{API}/experiments/search", headers={"Authorization": "Bearer ada-token"})
    assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"


def test_the_server_keeps_what_it_has_over_a_restart_and_stops_on_sigterm() -> None:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        path = Path(folder) / "run" / "mlflow.sock"
        store = store_on(path)
        for _ in range(2):
            process = start_mlflow(Path(folder))
            wait_until(store.is_ready)
            assert path.stat().st_mode & 0o777 == 0o600
            first = store.ensure_workspace("d" * 32)
            store.forget_workspace("d" * 32)
            assert store.ensure_workspace("d" * 32) == first
            process.terminate()
            assert process.wait(60) in {0, -15}
        store.close()
