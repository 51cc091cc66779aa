"""A jailed job's process that a warmed-up parent has forked, in place of an interpreter that was started for it.

The parent (`sandbox.replicas.pyfunc_zygote`) has seen nothing but what is installed here. It gets JSON {"job": …, "settings": …}
and four descriptors: standard input, output and error of the job, and a lifeline. When our end of the lifeline closes the job
is killed; when the job ends its wait status is written there. An order without descriptors only has it do its imports.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STATUS = struct.Struct("!i")


def warm_up(parents: Iterable[Path]) -> None:
    """Have them import now what their jobs need. One that is not there, or has too much to do, is left out."""
    for parent in parents:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
            orders.connect(str(parent))
            orders.send(b"{}", socket.MSG_DONTWAIT)  # an order without descriptors


class ForkedProcess:
    """As much of `subprocess.Popen` as `sandbox.jail.launch` uses."""

    def __init__(self, parent: Path, job: str, settings: dict[str, Any]) -> None:
        """Order the job from the parent that listens there. Raises OSError when none does."""
        child_in, ours_in = os.pipe()
        ours_out, child_out = os.pipe()
        ours_err, child_err = os.pipe()
        self.stdin = os.fdopen(ours_in, "wb", buffering=0)
        self.stdout = os.fdopen(ours_out, "rb", buffering=0)
        self.stderr = os.fdopen(ours_err, "rb", buffering=0)
        self._lifeline, child_lifeline = socket.socketpair()
        self.returncode: int | None = None
        self.parent_is_gone = False
        """The parent died, and the job with it: nothing is known of the job then."""
        order = json.dumps({"job": job, "settings": settings}).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
                orders.connect(str(parent))
                socket.send_fds(orders, [order], [child_in, child_out, child_err, child_lifeline.fileno()])
        except OSError:
            self._lifeline.close()
            for pipe in (self.stdin, self.stdout, self.stderr):
                pipe.close()
            raise
        finally:
            for descriptor in (child_in, child_out, child_err):
                os.close(descriptor)
            child_lifeline.close()

    def poll(self) -> int | None:
        """The exit code as Popen tells it, None while the job runs."""
        if self.returncode is None and self._has_ended(0):
            self._read_status()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As `poll`, when the job has ended. Raises TimeoutError."""
        if self.returncode is None:
            if not self._has_ended(timeout):
                raise TimeoutError("the job has not ended")
            self._read_status()
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Have the parent kill the job."""
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)

    def _has_ended(self, timeout_s: float | None) -> bool:
        ended = select.poll()  # select.select takes no descriptor above 1,023
        ended.register(self._lifeline, select.POLLIN)
        return bool(ended.poll(None if timeout_s is None else timeout_s * 1000))

    def _read_status(self) -> None:
        raw = self._lifeline.recv(STATUS.size)
        self._lifeline.close()
        self.parent_is_gone = len(raw) != STATUS.size
        self.returncode = -signal.SIGKILL if self.parent_is_gone else os.waitstatus_to_exitcode(STATUS.unpack(raw)[0])
