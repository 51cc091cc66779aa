"""A second node for a running site, as another host would have it: a data directory of its own, and the site's Redis."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.stack import ROOT, Stack, wait_for


class SecondNode:
    """`with SecondNode(stack) as node:` joins on entry; `kill()` is a host that loses its power."""

    def __init__(self, stack: Stack, name: str = "node-2") -> None:
        self.name = name
        self.data_dir = Path(tempfile.mkdtemp(prefix="pg-node-"))
        self._stack = stack
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self.data_dir / "node.log"

    def __enter__(self) -> Self:
        environment = self._stack.environment() | {
            "DATA_DIR": str(self.data_dir),
            "NODE_NAME": self.name,
            "REDIS_URL": f"unix://{self._stack.data_dir / 'run' / 'redis.sock'}",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "node"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        wait_for(self.is_announced, 60, f"{self.name} did not join", self._log.read_text)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def kill(self) -> None:
        """kill -9 of the node; the kernel ends its replicas."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def is_announced(self) -> bool:
        """Whether the site knows this very process."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the node has ended with status {self._process.returncode}:\n{self._log.read_text()}")
        with site_redis(self._stack) as client:
            raw = client.hget("nodes", self.name)
        return raw is not None and json.loads(raw)["pid"] == self.pid


def site_redis(stack: Stack) -> Any:
    """The site's Redis."""
    return redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock"))
