"""`mlflow models serve` with the model, as its documentation says to start it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

READY_WITHIN_S = 120.0


@contextmanager
def serving(model_dir: Path, port: int, log: Path) -> Iterator[str]:
    """The URL of its scoring route while it runs."""
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model_dir)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--env-manager", "local"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=_environment(), start_new_session=True)
    try:
        _wait_ready(server, f"http://127.0.0.1:{port}/ping", log)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def save(model: Any, directory: Path) -> None:
    import mlflow.sklearn

    mlflow.sklearn.save_model(model, directory, serialization_format="cloudpickle")


def _environment() -> dict[str, str]:
    binaries = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _wait_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"mlflow models serve did not start:\n{log.read_text()[-2000:]}")
