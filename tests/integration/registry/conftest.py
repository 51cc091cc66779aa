"""A real MLflow server on a socket of its own, with the proxy in front of it on a port."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from django.test import override_settings

from config.http_protocol import BoundedHeads
from sandbox.live import LiveToken
from sandbox.registry.mlflow_store import MlflowStore, store_on
from sandbox.registry.proxy import RegistryProxy

ROOT = Path(__file__).resolve().parents[3]
ADA, BEN = "a" * 32, "b" * 32
TOKENS = {
    "ada-token": LiveToken(token_id="1", workspace_id=ADA, requester="ada"),
    "ben-token": LiveToken(token_id="2", workspace_id=BEN, requester="ben"),
}


@dataclass(frozen=True)
class Registry:
    """A running MLflow server: the address of the proxy before it, its store, and clients of its two people."""

    url: str
    store: MlflowStore
    data_dir: Path

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)


def _clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DATABRICKS_", "DJANGO_"))} | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }


def start_mlflow(data_dir: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "mlflow_server"], env=_clean_environment() | {"DATA_DIR": str(data_dir)}
    )


def wait_until(condition: Callable[[], bool], timeout_s: float = 180.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


async def _authenticate(header: bytes) -> LiveToken | None:
    return TOKENS.get(header.decode("latin-1").removeprefix("Bearer "))


def _serve(app: RegistryProxy) -> tuple[uvicorn.Server, threading.Thread, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedHeads, log_level="warning", lifespan="off"))

    async def serve() -> None:
        await server.serve(sockets=[listener])
        await app.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    wait_until(lambda: server.started)
    return server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        process = start_mlflow(Path(folder))
        path = Path(folder) / "run" / "mlflow.sock"
        store = store_on(path)
        try:
            wait_until(store.is_ready)
            server, thread, url = _serve(RegistryProxy(_authenticate, path))
            with override_settings(MLFLOW_DIR=Path(folder) / "mlflow", UPLOADS_DIR=Path(folder) / "uploads"):
                yield Registry(url, store, Path(folder))
            server.should_exit = True
            thread.join(10)
            store.close()
        finally:
            process.terminate()
            process.wait(10)
