"""A whole running site for tests: `manage.py up` with a data directory and a port of its own."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xmlrpc.client import ServerProxy

import httpx
from supervisor.xmlrpc import SupervisorTransport

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0


class Stack:
    """Starts on `with` (or `start()`), is ready when that returns, and stops like a Ctrl-C does."""

    def __init__(self, data_dir: Path | None = None, port: int | None = None, **environment: str) -> None:
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="pg-test-"))
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = environment
        self._tokens: dict[str, str] = {}
        self._up: subprocess.Popen[bytes] | None = None
        self._output = self.data_dir / "up.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # --- life ----------------------------------------------------------------------------------

    def launch(self) -> subprocess.Popen[bytes]:
        """Start `manage.py up` in a process group of its own, as a terminal would; does not wait."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        _lend_fixtures(self.data_dir / "fixtures")
        with self._output.open("ab") as output:
            self._up = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "up"],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._up

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        self.launch()
        try:
            self.wait_ready(timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Send the signal to the whole foreground group, as Ctrl-C does; returns the exit status."""
        if self._up is None:
            return 0
        up, self._up = self._up, None
        if up.poll() is None:
            os.killpg(up.pid, with_signal)
        try:
            return up.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            tails = self.log_tails()
            up.kill()
            up.wait()
            raise AssertionError(f"The site did not stop within {STOP_TIMEOUT_S:g} s.\n{tails}") from None

    def kill_supervisor(self) -> None:
        """kill -9 of `manage.py up` itself."""
        assert self._up is not None
        self._up.kill()
        self._up.wait()
        self._up = None

    # --- its processes -------------------------------------------------------------------------

    def pid(self, process: str) -> int:
        """Process id of `redis`, `mlflow`, `provider-simulator`, `control`, `node` or `web`; 0 while it is down."""
        return int(self._supervisor().supervisor.getProcessInfo(process)["pid"])

    def kill(self, process: str, with_signal: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the process; returns the process id that it had."""
        pid = self.pid(process)
        assert pid, f"{process} is not running"
        os.kill(pid, with_signal)
        return pid

    def wait_restarted(self, process: str, old_pid: int, timeout_s: float = 90.0) -> int:
        """Wait until the process runs under a new id; returns that id."""
        return wait_for(lambda: (pid := self.pid(process)) != old_pid and pid, timeout_s, f"{process} was not restarted")

    def restart(self, process: str) -> None:
        """Kill the process and wait until the whole site is ready again."""
        self.wait_restarted(process, self.kill(process))
        self.wait_ready()

    def running_processes(self) -> dict[int, str]:
        """Every live process whose environment names this data directory: process id -> command line."""
        wanted = f"DATA_DIR={self.data_dir}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has ended, or is not ours to look at
                continue
        return found

    def _supervisor(self) -> Any:
        address = f"unix://{self.data_dir / 'run' / 'supervisor.sock'}"
        return ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, address))

    # --- what it offers ------------------------------------------------------------------------

    def health(self) -> httpx.Response:
        return httpx.get(f"{self.url}/healthz", timeout=15)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        def ready() -> bool:
            if self._up is not None and self._up.poll() is not None:
                raise AssertionError(f"manage.py up has ended with status {self._up.returncode}.\n{self.log_tails()}")
            try:
                return self.health().status_code == 200
            except httpx.TransportError:
                return False

        wait_for(ready, timeout_s, "the site did not become ready", self.log_tails, pause_s=0.1)

    def manage(self, *arguments: str) -> str:
        """Run a management command of this site; returns what it printed."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def token(self, username: str) -> str:
        """An access token for one of the first people (`learner`, `instructor`, `author`, `operator`), made once."""
        if username not in self._tokens:
            self._tokens[username] = self.manage("issue_token", username).splitlines()[-1]
        return self._tokens[username]

    def password(self, username: str) -> str:
        lines = (self.data_dir / "first_sign_ins.txt").read_text().splitlines()
        return dict(line.split() for line in lines)[username]

    def environment(self) -> dict[str, str]:
        """What the site's processes see; nothing of the test process's own configuration."""
        foreign = ("DATABASE_URL", "REDIS_URL", "HOST", "SITE_", "DJANGO_", "MLFLOW_", "DATABRICKS_", "SUPERVISE", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"DATA_DIR": str(self.data_dir), "PORT": str(self.port), "FIXTURES_DIR": str(self.data_dir / "fixtures")}
        return {**kept, **own, **self._environment}

    def output(self) -> str:
        """Everything that `manage.py up` has printed."""
        return self._output.read_text() if self._output.exists() else ""

    def log_tails(self, lines: int = 25) -> str:
        """The ends of all logs, for the message of a failed test."""
        paths = [self._output, *sorted((self.data_dir / "log").glob("*.log"))]
        return "\n".join(f"--- {path.name}\n" + "\n".join(_tail(path, lines)) for path in paths if path.exists())


def _lend_fixtures(folder: Path) -> None:
    """Banks of the site's own, for authors to change; the rest is that of the repository."""
    if not folder.exists():
        shutil.copytree(ROOT / "fixtures" / "banks", folder / "banks")
        for other in sorted((ROOT / "fixtures").iterdir()):
            if other.name != "banks":
                (folder / other.name).symlink_to(other)


def _tail(path: Path, lines: int) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-lines:]


def free_port() -> int:
    """A port below those that the kernel gives to connections, which could take it before the program that it is for is up."""
    while True:
        port = random.randrange(12_000, 32_000)  # it is taken again only by another test process that draws the same
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(look: Any, timeout_s: float, failure: str, details: Any = lambda: "", pause_s: float = 0.05) -> Any:
    """Call `look` until it returns something true, and return that."""
    deadline = time.monotonic() + timeout_s
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{failure} within {timeout_s:g} s.\n{details()}")
        time.sleep(pause_s)
