"""The site's HTTP server with `constant_app`: parses the body, answers a constant."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
READY_WITHIN_S = 30.0


@contextmanager
def serving(port: int, requests: Path, into: Path) -> Iterator[tuple[str, Path]]:
    """Its URL while it runs, and the given requests with the constant as the right answer."""
    into.write_text(json.dumps([{**entry, "predictions": [[0]]} for entry in json.loads(requests.read_text())]))
    command = [sys.executable, "-m", "uvicorn", "benchmarks.constant_app:application", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--no-access-log", "--lifespan", "off", "--no-server-header"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait(server, url)
        yield url, into
    finally:
        server.terminate()
        server.wait(10)


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.post(url, json={}, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("uvicorn with the constant application did not start.")
