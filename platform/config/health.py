"""Is every process of the site ready? Each is asked in parallel and has one second to answer."""

import os
import socket
import threading
import time
from collections.abc import Callable, Container, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import orjson
import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from config.processes import STARTED_VARIABLE

ANSWER_WITHIN_S = 1.0
HEARTBEAT_WITHIN_S = 5.0
CONTROL_HEARTBEAT_KEY = "heartbeat:control"
NODES_KEY = "nodes"


class NotReady(Exception):
    """Why a process is not ready, in a few words."""


@dataclass(frozen=True)
class Readiness:
    ready: bool
    detail: str = ""
    """Why not, when not."""


def health(others: Mapping[str, Callable[[], None]] | None = None) -> dict[str, Readiness]:
    """Readiness of every process but web, which is the one that answers. Takes at most ANSWER_WITHIN_S.

    `others` are asked as well; a probe returns when its process is ready and raises NotReady when it is not.
    """
    running = {name: _asked(name, probe) for name, probe in {**PROBES, **(others or {})}.items()}
    wait(running.values(), timeout=ANSWER_WITHIN_S)
    return {name: _outcome(future) for name, future in running.items()}


_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="health")
_lock = threading.Lock()
_running: dict[str, Future[None]] = {}


def _asked(name: str, probe: Callable[[], None]) -> Future[None]:
    """One question at a time for each process: a hanging one does not collect threads."""
    with _lock:
        future = _running.get(name)
        if future is None or future.done():
            future = _running[name] = _pool.submit(probe)
        return future


def _outcome(future: Future[None]) -> Readiness:
    if not future.done():
        return Readiness(False, f"has not answered within {ANSWER_WITHIN_S:g} s")
    error = future.exception()
    if error is None:
        return Readiness(True)
    if isinstance(error, NotReady):
        return Readiness(False, str(error))
    raise error


def _redis() -> None:
    try:
        _redis_client().ping()
    except redis.RedisError as error:
        raise NotReady(f"does not answer a PING: {_first_line(error)}") from None


def _database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise NotReady(f"does not answer a query: {_first_line(error)}") from None
    finally:
        connection.close()  # this thread would keep it open otherwise


def _mlflow() -> None:
    _check_status(_status(settings.MLFLOW_SOCKET, "/health"), {HTTPStatus.OK})


def _provider_simulator() -> None:
    """It speaks the provider's paths and no others; without a key it answers 401."""
    _check_status(_status(settings.PROVIDER_SIMULATOR_SOCKET, "/v1/models"), {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED})


def _control() -> None:
    _check_heartbeat(_redis_value(lambda client: client.get(CONTROL_HEARTBEAT_KEY)))


def _node() -> None:
    announced = _redis_value(lambda client: client.hget(NODES_KEY, settings.NODE_NAME))
    _check_heartbeat(orjson.dumps(orjson.loads(announced)["heartbeat_s"]) if announced else None)


PROBES: Mapping[str, Callable[[], None]] = {
    "redis": _redis,
    "database": _database,
    "mlflow": _mlflow,
    "control": _control,
    "node": _node,
    "provider-simulator": _provider_simulator,
}


@cache
def _redis_client() -> Any:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=ANSWER_WITHIN_S, socket_connect_timeout=ANSWER_WITHIN_S)


def _redis_value(read: Callable[[Any], bytes | None]) -> bytes | None:
    try:
        return read(_redis_client())
    except redis.RedisError:
        raise NotReady("its heartbeat cannot be read: redis does not answer") from None


def _check_heartbeat(value: bytes | None) -> None:
    """A heartbeat is the time of writing, in seconds since the epoch; one from before this start does not count."""
    if value is None or float(value) < float(os.environ.get(STARTED_VARIABLE, "0")):
        raise NotReady("has not reported yet")
    age_s = time.time() - float(value)
    if age_s > HEARTBEAT_WITHIN_S:
        raise NotReady(f"has not reported for {age_s:.0f} s")


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket. A client library would cost more than the question: this runs several times a second."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _status(socket_path: Path, path: str) -> int:
    server = _UnixConnection(socket_path)
    try:
        server.request("GET", path)
        return server.getresponse().status
    except (OSError, HTTPException) as error:
        raise NotReady(f"does not answer on its socket: {_first_line(error)}") from None
    finally:
        server.close()


def _check_status(status: int, expected: Container[int]) -> None:
    if status not in expected:
        raise NotReady(f"answers its health check with status {status}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
