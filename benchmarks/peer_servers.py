"""The other servers of the comparison, each in a virtual environment of its own under `.venv-peers/`, batching on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.stack import free_port

HERE = Path(__file__).resolve().parent / "peers"
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"
READY_WITHIN_S = 120.0
NO_REPORTS = {"DO_NOT_TRACK": "1", "BENTOML_DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
Body = dict[str, Any]


def _numbers(body: Body) -> list[list[float]]:
    """The rows of a body in one of MLflow's forms, without the columns' names."""
    if "dataframe_split" in body:
        rows: list[list[float]] = body["dataframe_split"]["data"]
        return rows
    return [list(record.values()) for record in body["dataframe_records"]]


def _rows(body: Body) -> Body:
    """What the servers take whose code is ours (see peers/)."""
    return {"rows": _numbers(body)}


def _tensor(body: Body) -> Body:
    """The open inference protocol (V2) that MLServer speaks."""
    rows = _numbers(body)
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "rows", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": data}]}


@dataclass(frozen=True)
class Peer:
    """A server: its folder in `peers/`, its name, and how it is asked and answers."""

    folder: str
    name: str
    path: str = "/predict"
    body: Callable[[Body], Body] = _rows
    answer: str = "predictions"
    """Where the predictions are in its answer, steps joined by dots."""

    def command(self, python: Path, model: Path, port: int) -> list[str]:
        if self.folder == "bentoml":
            return [str(python), "-m", "bentoml", "serve", "serve:Forest", "--host", "127.0.0.1", "--port", str(port)]
        return [str(python), str(HERE / self.folder / "serve.py"), str(model), str(port), str(free_port())]


PEERS = (
    Peer("litserve", "LitServe"),
    Peer("mlserver", "MLServer", "/v2/models/forest/infer", _tensor, "outputs.0.data"),
    Peer("bentoml", "BentoML"),
    Peer("ray_serve", "Ray Serve"),
)


def installed(peer: Peer) -> Path | None:
    """The Python of the peer's environment, made if need be; None, with a word, where it cannot be."""
    environment = ENVIRONMENTS / peer.folder
    python, wanted = environment / "bin" / "python", HERE / peer.folder / "requirements.txt"
    stamp = environment / "installed.txt"
    installed_as = f"# {python}\n{wanted.read_text()}"  # an environment that was moved starts programs of its old place
    if stamp.exists() and stamp.read_text() == installed_as:
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True, capture_output=True, text=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--requirement", str(wanted)]
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=900)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"    skipped, it cannot be installed here: {str(error.stderr or error)[-300:]}")
        return None
    stamp.write_text(installed_as)
    return python


def write_requests(peer: Peer, requests: Path, into: Path) -> Path:
    """The same requests in the peer's form."""
    entries = [{**entry, "body": peer.body(entry["body"])} for entry in json.loads(requests.read_text())]
    into.write_text(json.dumps(entries))
    return into


@contextmanager
def serving(peer: Peer, python: Path, model: Path, first: dict[str, Any], log: Path) -> Iterator[str]:
    """The URL that predicts, while the peer runs; `first` is a request with its answer. SystemExit if it does not start."""
    port = free_port()
    environment = {**os.environ, **NO_REPORTS, "MODEL": str(model), "PYTHONWARNINGS": "ignore"}
    environment["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        server = subprocess.Popen(
            peer.command(python, model, port),
            cwd=HERE / peer.folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}{peer.path}"
        _wait_right(server, peer, url, first, log)
        yield url
    finally:
        _end(server)


def _wait_right(server: subprocess.Popen[bytes], peer: Peer, url: str, first: dict[str, Any], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            answer = httpx.post(url, json=first["body"], timeout=10)
            if answer.status_code == 200 and predictions(answer.json(), peer.answer) in first["predictions"]:
                return
        except (httpx.TransportError, ValueError, KeyError):
            pass
        time.sleep(0.2)
    raise SystemExit(f"{peer.name} did not start:\n{log.read_text()[-2000:]}")


def predictions(answer: Any, path: str) -> Any:
    """What stands in the answer at `path`."""
    for step in path.split("."):
        answer = answer[int(step) if step.isdigit() else step]
    return answer


def _end(server: subprocess.Popen[bytes]) -> None:
    """The whole process group: some leave workers behind that outlive their parent."""
    for sign, within_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(server.pid, sign)
            server.wait(within_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
