"""The simulator and a hostile peer, each on a socket of its own; keys encrypted with a key file of their own."""

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.conf import LazySettings

from sandbox.providers.simulator.app import app
from sandbox.workspaces.encryption import encrypt

CANARY = "sk-canary/7+Zt9=qX2w"
"""A key with characters that percent-encoding and JSON escape."""


@pytest.fixture(scope="session")
def simulator_socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        path = Path(folder) / "simulator.sock"
        server = uvicorn.Server(uvicorn.Config(app, uds=str(path), log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        _wait(lambda: server.started)
        yield path
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def make_external(simulator_socket: Path, settings: LazySettings, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`LiveEntity.external` of an external model; by default a chat model at the simulator."""
    settings.PROVIDER_SIMULATOR_SOCKET = simulator_socket
    settings.OPENAI_API_BASE = "http://provider-simulator/v1"
    settings.SECRETS_DIR = tmp_path / "secrets"

    def make(api_key: str = "sk-good-key", **facts: Any) -> dict[str, Any]:
        return {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "task": "llm/v1/chat",
            "base_url": settings.OPENAI_API_BASE,
            "api_key_ciphertext": encrypt(api_key),
        } | facts

    return make


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@pytest.fixture
async def hostile(settings: LazySettings) -> Any:
    """Start a peer that behaves as its function says; the operator's base URL then points at it."""
    servers: list[asyncio.Server] = []

    async def start(peer: Peer) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        servers.append(await asyncio.start_server(peer, sock=listener))
        settings.OPENAI_API_BASE = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        return settings.OPENAI_API_BASE

    yield start
    for server in servers:
        server.close()


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
