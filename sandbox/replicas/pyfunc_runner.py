"""A jailed runner of a model that is served as it is, and its replica's handle on it.

It is forked from `sandbox.replicas.pyfunc_zygote`, enters the jail, and only then learns which model it holds and the
environment variables of the served entity. One request goes in, one answer comes out, over pipes in frames.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.jail.enter import address_space_bytes, enter_jail, use_scratch
from sandbox.jail.limits import GIB, Limits
from sandbox.replicas import model_logging
from sandbox.replicas.frames import RunnerGoneError, RunnerTimeoutError, read_frame, write_frame, write_frame_by
from sandbox.replicas.pyfunc_zygote import STATUS

LOAD_TIMEOUT_S = 120.0
LOADED, NOT_LOADED, ANSWER = b"\x00", b"\x01", b"\x02"
OUT_OF_MEMORY_EXIT = 137
"""As a container's, whose process the kernel kills."""


class _EndedByModel(Exception):
    """The model ended its process while it had a request in hand."""


class NotLoadedError(RuntimeError):
    """The model does not load; the message says why, untrusted text."""


@dataclass
class PyfuncRunner:
    """The replica's end of one runner. Used by one thread at a time."""

    to_runner: int
    from_runner: int
    lifeline: socket.socket
    memory_bytes: int
    _status: int | None = None
    _is_closed: bool = field(default=False)

    @classmethod
    def start(
        cls, zygote: socket.socket, folder: str, scratch: str, environment: dict[str, str], memory_bytes: int
    ) -> tuple["PyfuncRunner", int]:
        """Order a runner; returns it and the descriptor to read the model's output from. `wait_loaded` tells when it can answer.

        Raises OSError when the zygote cannot be reached.
        """
        child_reads, parent_writes = os.pipe()
        parent_reads, child_writes = os.pipe()
        output_reads, output_writes = os.pipe()
        ours, theirs = socket.socketpair()
        order = json.dumps({"readable": [folder], "scratch": scratch, "memory_bytes": memory_bytes}).encode()
        try:
            socket.send_fds(zygote, [order], [child_reads, child_writes, output_writes, theirs.fileno()])
        finally:
            for descriptor in (child_reads, child_writes, output_writes):
                os.close(descriptor)
            theirs.close()
        runner = cls(parent_writes, parent_reads, ours, memory_bytes)
        os.set_blocking(parent_writes, False)
        with contextlib.suppress(RunnerGoneError, RunnerTimeoutError):  # wait_loaded reports it
            first = orjson.dumps({"folder": folder, "environment": environment})
            write_frame_by(parent_writes, time.monotonic() + LOAD_TIMEOUT_S, first)
        return runner, output_reads

    def wait_loaded(self) -> dict[str, Any]:
        """The runtime's description. Raises NotLoadedError and RunnerTimeoutError."""
        try:
            answer = read_frame(self.from_runner, time.monotonic() + LOAD_TIMEOUT_S)
        except RunnerGoneError:
            raise NotLoadedError(f"An error occurred while loading the model: its process {self.exit_reason()}.") from None
        if answer[:1] != LOADED:
            raise NotLoadedError(f"An error occurred while loading the model. {answer[1:].decode(errors='replace')}")
        try:
            return dict(orjson.loads(answer[1:]))
        except (ValueError, TypeError):
            raise NotLoadedError("An error occurred while loading the model: its process answered out of turn.") from None

    def answer(self, content_type: str, body: bytes, deadline_s: float) -> tuple[int, str]:
        """Status and JSON text; `deadline_s` is on time.monotonic()'s clock. Raises RunnerGoneError, RunnerTimeoutError."""
        head = content_type.encode()[:255]
        write_frame_by(self.to_runner, deadline_s, bytes([len(head)]), head, body)
        answer = read_frame(self.from_runner, deadline_s)
        status = int.from_bytes(answer[1:3], "big")
        if answer[:1] != ANSWER or not _is_status(status):
            raise RunnerGoneError("it answered out of turn")
        return status, answer[3:].decode("utf-8", "replace")

    def is_alive(self) -> bool:
        """Whether the process has not ended, as far as the zygote has said."""
        self.lifeline.setblocking(False)
        try:
            return not self._read_status()
        except BlockingIOError:
            return True
        finally:
            self.lifeline.setblocking(True)

    def exit_status(self) -> int:
        """The wait status of the process; kills it if it still runs, waits at most some seconds for the zygote's word."""
        if self._status is None:
            self.lifeline.settimeout(5)
            self.end()
            with contextlib.suppress(OSError):
                self._read_status()
        return signal.SIGKILL if self._status is None else self._status

    def _read_status(self) -> bool:
        """Whether the process has ended. Raises BlockingIOError."""
        if self._status is not None:
            return True
        raw = self.lifeline.recv(STATUS.size)
        # a zygote that died says nothing, and its runners died with it
        self._status = STATUS.unpack(raw)[0] if len(raw) == STATUS.size else signal.SIGKILL
        return True

    def exit_reason(self) -> str:
        """How the process ended, in words."""
        status = self.exit_status()
        if os.WIFSIGNALED(status):
            return f"was killed by signal {os.WTERMSIG(status)} ({signal.Signals(os.WTERMSIG(status)).name})"
        if os.WEXITSTATUS(status) == OUT_OF_MEMORY_EXIT:
            return f"needed more memory than the {self.memory_bytes / GIB:g} GiB of its workload type"
        return f"exited with status {os.WEXITSTATUS(status)}"

    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, which no model can bring upon itself but by the kernel's lack of memory."""
        status = self.exit_status()
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def end(self) -> None:
        """Have the zygote kill the process; from any thread."""
        with contextlib.suppress(OSError):
            self.lifeline.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End the process and close everything; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self.lifeline.close()
        for descriptor in (self.to_runner, self.from_runner):
            os.close(descriptor)


def _is_status(status: int) -> bool:
    """What MLflow's scoring answers. The number comes from a process that is not trusted: 204, for example, has no body, and a
    proxy would take the body for the answer to somebody else."""
    return status == 200 or 400 <= status < 600


# --- the runner's own side -----------------------------------------------------------------------


def run(order: dict[str, Any], reads: int, writes: int, output: int) -> None:
    """The forked child's whole life; never returns."""
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        memory_bytes = address_space_bytes() + int(order["memory_bytes"])
        limits = Limits(cpu_s=0, wall_s=0, address_space_bytes=memory_bytes)
        readable, scratch = [str(path) for path in order["readable"]], str(order["scratch"])
        confinement = enter_jail(limits, readable, apply_cpu=False, keep_fds=(1, 2, reads, writes), scratch=scratch)
        if confinement.has_scratch:
            use_scratch(scratch)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is what Python opened at the start
        _serve(reads, writes)
    except RunnerGoneError:
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY_EXIT)
    except _EndedByModel:
        os._exit(1)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            write_frame(writes, NOT_LOADED, _sentence(error).encode("utf-8", "replace"))
    os._exit(1)


def _serve(reads: int, writes: int) -> None:
    from sandbox.replicas.runtimes.pyfunc import OutOfMemoryError, PyfuncRuntime

    first = orjson.loads(read_frame(reads))
    os.environ.update(first["environment"])
    model_logging.capture()
    model = PyfuncRuntime(first["folder"])
    write_frame(writes, LOADED, orjson.dumps(model.describe()))
    while True:
        frame = read_frame(reads)
        start = 1 + frame[0]
        try:
            status, answer = model.answer(frame[start:].decode("utf-8", "replace"), frame[1:start].decode())
        except OutOfMemoryError:
            raise MemoryError from None
        except BaseException:  # it called sys.exit, for example
            traceback.print_exc()
            raise _EndedByModel from None
        write_frame(writes, ANSWER, status.to_bytes(2, "big"), answer.encode("utf-8", "replace"))


def _sentence(error: BaseException) -> str:
    """As Databricks words it: the exception's own sentence for a module that is not there."""
    from sandbox.replicas.runtimes.pyfunc import missing_module

    if module := missing_module(error):
        return f"No module named {module!r}"
    return f"{type(error).__name__}: {error}"[:4000]
