"""Reads the next message while the one before is computed: a second thread of a replica, for messages with large bodies."""

import logging
import os
import sys
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)
SWITCH_S = 0.0005
"""After this long a thread that waits for the interpreter gets it (5 ms is usual), so that what the runner has answered does not
lie until the bodies of the next message are read."""


class Ahead:
    """Does one piece of work at a time: by the caller, or beside him.

    To hand on a small message, and to have the threads take turns, costs more than the message, so it stays with the caller.
    """

    def __init__(self) -> None:
        self._is_free = threading.Semaphore()
        self._work: Callable[[], None] | None = None
        self._has_work = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Do it before returning."""
        with self._is_free:
            work()

    def hand_on(self, work: Callable[[], None]) -> None:
        """Have it done; returns as soon as what was handed on before is done. What it raises is logged.

        Raises RuntimeError when the system has no thread left; nothing is handed on then.
        """
        if self._thread is None:
            sys.setswitchinterval(SWITCH_S)
            thread = threading.Thread(target=self._run, daemon=True, name="ahead")
            thread.start()
            self._thread = thread
        self._is_free.acquire()
        self._work = work
        self._has_work.release()

    def finish(self, wait_s: float) -> None:
        """Wait until everything is done, for `wait_s` at most."""
        if self._is_free.acquire(timeout=wait_s):
            self._is_free.release()

    def _run(self) -> None:
        while True:
            self._has_work.acquire()
            assert self._work is not None, "hand_on gave it"
            try:
                self._work()
            except Exception:
                logger.exception("a message was not answered")
            except BaseException:  # without this thread the replica would stand still for ever; the node starts another
                logger.exception("a replica ends")
                os._exit(1)
            self._work = None
            self._is_free.release()
