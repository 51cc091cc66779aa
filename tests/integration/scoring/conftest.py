"""The same models twice: in MLflow's own scoring server, and built and read as a replica does."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.builds.operations import build_model
from sandbox.invocations.content_types import body_text
from sandbox.replicas.frames import RawBody, decode_request
from sandbox.replicas.requests import Pending
from sandbox.replicas.runtimes.onnx import OnnxRuntime
from sandbox.replicas.scoring.answer import answer
from sandbox.replicas.tabular import TabularTask
from tests.integration.scoring.models import MODELS
from tests.stack import free_port

START_TIMEOUT_S = 120
Answer = tuple[int, Any]
Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def logged_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one logged model for each name of MODELS."""
    folder = tmp_path_factory.mktemp("logged")
    for name, save in MODELS.items():
        save(folder / name)
    return folder


@pytest.fixture(scope="session")
def reference(logged_models: Path) -> Iterator[Ask]:
    """Ask MLflow's scoring server: `reference(model, body, content_type)`."""
    port = free_port()
    script = Path(__file__).with_name("reference_server.py")
    folders = [str(path) for path in sorted(logged_models.iterdir())]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script), str(port), *folders],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        _wait(port, folders[0], server)
        yield lambda model, body, kind="application/json": _post(f"http://127.0.0.1:{port}/{model}/invocations", body, kind)
    finally:
        server.kill()
        server.wait()


def _wait(port: int, folder: str, server: "subprocess.Popen[bytes]") -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        assert server.poll() is None, "the scoring server ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{Path(folder).name}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.2)  # polling
    raise AssertionError("the scoring server did not start")


def _post(url: str, body: bytes, kind: str) -> Answer:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else text


@pytest.fixture(scope="session")
def ours(logged_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Ask the built model, by the code that a replica and its runner run: `ours(model, body, content_type)`."""
    store = tmp_path_factory.mktemp("built")
    runtimes: dict[str, OnnxRuntime] = {}

    def ask(model: str, body: bytes, kind: str = "application/json") -> Answer:
        if model not in runtimes:
            runtimes[model] = OnnxRuntime(build_model(logged_models / model, into=store).path.read_bytes())
        return _asked(runtimes[model], body, kind)

    return ask


def _asked(runtime: OnnxRuntime, body: bytes, kind: str) -> Answer:
    task = TabularTask(json.loads(json.dumps(runtime.describe())))
    request = Pending("id", body_text(body, kind).decode(), "w1", "t", "ann", 0.0, 0.0, kind)
    batch = task.batch([request])
    sent = decode_request(b"".join(batch.parts))
    values = list(answer(runtime, sent.content, sent.content_type)) if isinstance(sent, RawBody) else runtime.predict(sent)
    [(answered, rows)] = batch.split(values)
    reply = task.answer(answered, rows)
    return reply.status, json.loads(reply.body)
