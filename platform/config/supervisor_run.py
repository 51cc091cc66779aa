"""Runs supervisord inside `manage.py up`: quicker restarts, capped pauses, and a listening socket that outlives web."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

Say = Callable[[str], None]
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
REFUSE_AFTER_FAILURES = 3
"""A web process that keeps dying while it starts: callers are refused at once instead of waiting for it."""


def pause_s(failures: int) -> float:
    """Seconds before the next start of a process that has died `failures` times in a row while starting."""
    return float(min(FIRST_PAUSE_S * 2 ** min(failures - 1, 10), LONGEST_PAUSE_S))


def supervise(config_file: Path, say: Say, on_running: Callable[[], None], on_stopping: Callable[[], None]) -> None:
    """Start the programs of the file and keep them alive until SIGINT, SIGTERM or SIGHUP; returns when all have stopped."""
    options = ServerOptions()
    options.realize(["--nodaemon", "--silent", "--configuration", str(config_file)])
    options.first = True  # we are not supervisord's own re-execution: it must not close our files
    options.test = False  # its main() sets this
    try:
        _SiteSupervisor(options, say, on_running, on_stopping).main()
    except asyncore.ExitNow:
        return


class _SiteSupervisor(Supervisor):  # type: ignore[misc]  # supervisor ships without types
    def __init__(self, options: Any, say: Say, on_running: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        super().__init__(options)
        self._say, self._on_running, self._on_stopping = say, on_running, on_stopping
        self._doorbell = _Doorbell()
        self._listening: dict[str, Any] = {}

    def runforever(self) -> None:
        """supervisord looks round once a second; our doorbell makes it look at once when a child dies."""
        self.options.get_socket_map()[self._doorbell.fileno()] = self._doorbell
        signal.set_wakeup_fd(self._doorbell.write_descriptor)
        events.subscribe(events.ProcessStateExitedEvent, self._report_death)
        events.subscribe(events.ProcessStateBackoffEvent, self._shorten_pause)
        events.subscribe(events.SupervisorStoppingEvent, self._stop)
        events.subscribe(events.ProcessStateStartingEvent, self._keep_listening)
        self._on_running()
        super().runforever()

    def _keep_listening(self, event: Any) -> None:
        """Hold one more reference to web's socket than web has: it stays open while web is restarted, callers wait."""
        group = event.process.group
        if hasattr(group, "socket_manager") and event.process.backoff < REFUSE_AFTER_FAILURES:
            self._listening[group.config.name] = group.socket_manager.get_socket()

    def _report_death(self, event: Any) -> None:
        self._say(f"    {event.process.config.name} has died; starting it again")
        self._doorbell.ring()

    def _shorten_pause(self, event: Any) -> None:
        """supervisord waits one second longer after each failure, without end; ours doubles up to a cap and never gives up."""
        process = event.process
        process.delay = time.time() + pause_s(process.backoff)
        if process.backoff >= REFUSE_AFTER_FAILURES:
            self._listening.pop(process.group.config.name, None)
        if process.backoff in {1, 5} or process.backoff % 20 == 0:
            times = "" if process.backoff == 1 else f" {process.backoff} times in a row"
            self._say(f"    {process.config.name} died while starting{times}; its log: {process.config.stdout_logfile}")

    def _stop(self, _event: Any) -> None:
        self._listening.clear()  # callers are refused from now on instead of waiting
        self._on_stopping()


class _Doorbell:
    """A pipe in supervisord's poll: signals and deaths write a byte to it."""

    def __init__(self) -> None:
        self._read_descriptor, self.write_descriptor = os.pipe()
        os.set_blocking(self._read_descriptor, False)
        os.set_blocking(self.write_descriptor, False)

    def fileno(self) -> int:
        return self._read_descriptor

    def ring(self) -> None:
        os.write(self.write_descriptor, b"\0")

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        os.read(self._read_descriptor, 4096)

    def handle_error(self) -> None:
        """supervisord calls this inside its `except`: a broken doorbell is a bug and may fly."""
        raise
