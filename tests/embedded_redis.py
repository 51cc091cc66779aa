"""A Redis server of one's own for tests: on a UNIX socket in a temporary directory, and Django and Celery pointed at it."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis


def redis_binary() -> str:
    """The server on the PATH, else the one beside this interpreter."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        if found:
            return found
    raise RuntimeError("There is no redis-server on the PATH or in the virtual environment.")


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of a server that lives as long as the block."""
    with tempfile.TemporaryDirectory(prefix="pg-redis-") as directory:
        socket = Path(directory) / "redis.sock"
        command = [redis_binary(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", directory]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_until_it_answers(f"unix://{socket}")
                yield f"unix://{socket}"
            finally:
                process.terminate()


def _wait_until_it_answers(url: str) -> None:
    client = redis.Redis.from_url(url)
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("Redis did not start within 60 s.")


def point_at(url: str, settings: Any) -> redis.Redis:
    """Let the site's Redis client and its Celery app use the server at `url`; returns an empty database's client."""
    from config.celery_app import app
    from sandbox.connections import redis_client

    settings.REDIS_URL = url
    redis_client.cache_clear()
    broker = url.replace("unix://", "redis+socket://", 1)
    if app.conf.broker_url != broker:
        app.conf.broker_url = broker
        app._pool = None
        app.amqp._producer_pool = None
    client = redis.Redis.from_url(url)
    client.flushall()
    return client
