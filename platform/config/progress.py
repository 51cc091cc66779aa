"""What `manage.py up` prints while the site starts: numbered steps, each process as it becomes ready, then the address."""

import threading
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPException

from config.health import NotReady, Readiness, health

LOOK_EVERY_S = 0.2
REMIND_AFTER_S = 20.0


def say(line: str) -> None:
    """Print a line at once; a reader that has gone away (`make run | head`) does not stop the site."""
    try:
        print(line, flush=True)
    except OSError:
        return


class Watch:
    """Looks at the processes from a thread of its own until all are ready, then calls `on_ready` once."""

    def __init__(self, host: str, port: int, on_ready: Callable[[], None]) -> None:
        self._host, self._port, self._on_ready = host, port, on_ready
        self._stopped = threading.Event()
        self._started_s = time.monotonic()
        self._announced: set[str] = set()
        self._reminded_s = self._started_s

    def start(self) -> None:
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._pause_s()):
            found = health({"web": partial(_ask_web, self._host, self._port)})
            self._announce(found)
            waiting = {name: readiness.detail for name, readiness in found.items() if not readiness.ready}
            if not waiting and not self._stopped.is_set():
                self._on_ready()
                return
            self._remind(waiting)

    def _pause_s(self) -> float:
        """A site that is long in coming is looked at less often."""
        return max(LOOK_EVERY_S, (time.monotonic() - self._started_s) / 20)

    def _announce(self, found: dict[str, Readiness]) -> None:
        for name in [name for name, readiness in found.items() if readiness.ready and name not in self._announced]:
            self._announced.add(name)
            say(f"    {name} is ready ({time.monotonic() - self._started_s:.1f} s)")

    def _remind(self, waiting: dict[str, str]) -> None:
        if time.monotonic() - self._reminded_s < REMIND_AFTER_S:
            return
        self._reminded_s = time.monotonic()
        for name, detail in waiting.items():
            say(f"    still waiting for {name}: it {detail}")


def _ask_web(host: str, port: int) -> None:
    """Web answers /healthz; whether its answer is 200 or 503 is for the others to say."""
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise NotReady(f"does not answer: {error}") from None
    finally:
        connection.close()
    if status not in {200, 503}:
        raise NotReady(f"answers with status {status}")
