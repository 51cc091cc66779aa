"""A real Redis with its append-only file on, in a folder of the test."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from sandbox.inference_tables import delta
from sandbox.inference_tables.drain import Drain, Drained
from sandbox.inference_tables.names import TableName
from sandbox.inference_tables.rows import arrow_table, row_of
from tests.embedded_redis import point_at, redis_binary


@pytest.fixture
def redis_socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pg-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        settings = ("--port", "0", "--unixsocket", str(socket), "--dir", folder, "--appendonly", "yes", "--save", "")
        server = subprocess.Popen([redis_binary(), *settings], stdout=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(socket)
            yield socket
        finally:
            server.kill()
            server.wait()


def _wait_until_it_answers(socket: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            redis.Redis(unix_socket_path=str(socket)).ping()
            return
        except redis.ConnectionError:
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.02)


@pytest.fixture
def redis_client(redis_socket: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(redis_socket))


@pytest.fixture
def drain_all(redis_client: redis.Redis, tmp_path: Path) -> Callable[[], Drained]:
    """Drain until the stream is empty, into `tmp_path`; the workspaces that exist have ids that begin with `ws`."""
    drain = Drain(redis_client, tmp_path, lambda ids: {i for i in ids if i.startswith("ws")})
    drain.run()  # the first tick makes the epoch

    def run() -> Drained:
        total = Drained()
        while not total.is_empty:
            one = drain.run()
            total.rows += one.rows
            total.rejected += one.rejected
            total.is_empty = one.is_empty
            total.maintenance_due += one.maintenance_due
        return total

    return run


def write_rows(root: Path, records: Sequence[Any], transaction: int = 1) -> None:
    """Rows as the drain writes them; all records are of one table."""
    name = TableName.parse(records[0]["table"])
    table = delta.CaptureTable.open(name.folder(root, records[0]["ws"]))
    table.append(arrow_table([row_of(one) for one in records]), "test", transaction)
    table.make_durable()


@pytest.fixture
def delta_dir(tmp_path: Path, settings: Any) -> Path:
    settings.DELTA_DIR = tmp_path / "delta"
    settings.DELTA_DIR.mkdir()
    return tmp_path / "delta"


@pytest.fixture
def site_redis(redis_socket: Path, settings: Any) -> redis.Redis:
    """The site's own client leads to the test's Redis."""
    return point_at(f"unix://{redis_socket}", settings)


@pytest.fixture
def workspace(learner: Any, site_redis: redis.Redis, delta_dir: Path) -> Any:
    from sandbox.workspaces.operations import open_workspace

    return open_workspace(learner)


def record(request_id: str, **values: Any) -> Any:
    """A captured record that is right in every respect, with what the test cares about changed."""
    return {
        "id": request_id,
        "client": None,
        "ws": "ws1",
        "table": "main.default.churn_payload",
        "t": 1_790_000_000.25,
        "status": 200,
        "ms": 3.6,
        "req": '{"inputs": [[1]]}',
        "resp": '{"predictions": [1]}',
        "entity": "e1",
        "who": "learner",
    } | values
