"""The jailed runner: holds one model, reads frames from a pipe, answers with JSON.

It is forked from a process that has everything imported, enters the jail, and only then receives the model's bytes.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from sandbox.jail.devices import cuda_files
from sandbox.jail.enter import enter_jail
from sandbox.jail.limits import Limits
from sandbox.replicas.frames import RawBody, RunnerGoneError, decode_request, read_frame, write_frame

LOAD_TIMEOUT_S = 60.0
PIPE_BYTES = 256 * 1024
"""So that the rows of a usual message fit, and worker and runner do not take turns to move them (64 KiB is usual)."""
OK, MODEL_ERROR, OK_WITH_NAN = b"\x00", b"\x01", b"\x02"
"""First byte of the runner's answer; the last one marks JSON with bare NaN and Infinity, which only the slower reader takes."""


class Runtime(Protocol):
    """What a runtime module's `load(model_bytes)` returns."""

    def describe(self) -> dict[str, Any]:
        """Plain data that the worker needs to enforce the schema and to shape answers."""

    def predict(self, arrays: list[Any]) -> list[Any]:
        """One array for each model input; one JSON-ready value for each row."""


@dataclass
class Runner:
    """The parent's handle on a runner process."""

    pid: int
    to_runner: int
    from_runner: int
    _status: int | None = None

    @classmethod
    def start(
        cls,
        runtime: str,
        model: bytes,
        limits: Limits,
        read_output: Callable[[int], None] | None = None,
        device: str = "cpu",
    ) -> "Runner":
        """Fork a runner and hand it the model; `wait_loaded` tells when it can answer, and on which device it came to run.

        `read_output` is given the descriptor on which comes what the runner prints, and closes it; without it that goes where
        this process prints.
        """
        child_reads, parent_writes = os.pipe()
        parent_reads, child_writes = os.pipe()
        output_reads, output_writes = os.pipe()
        with contextlib.suppress(OSError):  # a user's pipes together are bounded
            fcntl.fcntl(parent_writes, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        pid = os.fork()
        if pid == 0:
            if read_output is not None:
                os.dup2(output_writes, 1)
                os.dup2(output_writes, 2)
            _run(runtime, device, child_reads, child_writes, limits)
        for descriptor in (child_reads, child_writes, output_writes):
            os.close(descriptor)
        (read_output or os.close)(output_reads)
        runner = cls(pid, parent_writes, parent_reads)
        with contextlib.suppress(RunnerGoneError):  # wait_loaded reports it
            write_frame(parent_writes, model)
        return runner

    def wait_loaded(self) -> dict[str, Any]:
        """The runtime's description. Raises RuntimeError with the sentence why the model does not load."""
        try:
            answer = read_frame(self.from_runner, time.monotonic() + LOAD_TIMEOUT_S)
        except RunnerGoneError:
            raise RuntimeError(f"An error occurred while loading the model: its process {self.exit_reason()}.") from None
        if answer[:1] != OK:
            raise RuntimeError(f"An error occurred while loading the model. {answer[1:].decode(errors='replace')}")
        return orjson.loads(answer[1:])  # type: ignore[no-any-return]  # JSON of our own frame

    def predict(self, parts: tuple[bytes, ...], deadline_s: float) -> list[Any]:
        """Values for each row. ValueError carries the model's own exception; Runner* errors pass through."""
        write_frame(self.to_runner, *parts)
        answer = read_frame(self.from_runner, deadline_s)
        if answer[:1] == OK_WITH_NAN:
            return json.loads(answer[1:])  # type: ignore[no-any-return]  # as below
        if answer[:1] != OK:
            raise ValueError(answer[1:].decode(errors="replace"))
        return orjson.loads(answer[1:])  # type: ignore[no-any-return]  # JSON of our own frame

    def exit_reason(self) -> str:
        """How the process ended, in words."""
        status = self.exit_status()
        if os.WIFSIGNALED(status):
            return f"was killed by signal {os.WTERMSIG(status)} ({signal.Signals(os.WTERMSIG(status)).name})"
        return f"exited with status {os.WEXITSTATUS(status)}"

    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, which no model can bring upon itself but by taking too much memory."""
        status = self.exit_status()
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def exit_status(self) -> int:
        """The wait status of the process, which is ended if it still runs."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # changes nothing for one that is ending
            self._status = os.waitpid(self.pid, 0)[1]
        return self._status

    def kill(self) -> None:
        """End the process and close the pipe; safe to call twice."""
        self.exit_status()
        for descriptor in (self.to_runner, self.from_runner):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _load(runtime: str, model: bytes, device: str) -> Runtime:
    from sandbox.replicas.runtimes import embedding, onnx  # by now the zygote has imported them

    return embedding.load(model) if runtime == "embedding" else onnx.load(model, device)


def _run(runtime: str, device: str, reads: int, writes: int, limits: Limits) -> None:
    """The child's whole life; never returns."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        enter_jail(limits, apply_cpu=False, keep_fds=(1, 2, reads, writes), devices=cuda_files(device))
        _serve(runtime, device, reads, writes)
        os._exit(0)
    except (RunnerGoneError, KeyboardInterrupt):
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            write_frame(writes, MODEL_ERROR, f"{type(error).__name__}: {error}"[:4000].encode())
        os._exit(1)


def _serve(runtime: str, device: str, reads: int, writes: int) -> None:
    model = _load(runtime, read_frame(reads), device)
    write_frame(writes, OK, orjson.dumps(model.describe(), option=orjson.OPT_SERIALIZE_NUMPY))
    while True:
        request = decode_request(read_frame(reads))
        try:
            values = _answered(model, request) if isinstance(request, RawBody) else model.predict(request)
            answer = (OK, orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY))
            if b"null" in answer[1]:
                answer = (OK_WITH_NAN, json.dumps(values).encode())
        except Exception as error:  # whatever the model raises is the request's answer, not ours
            answer = (MODEL_ERROR, f"{type(error).__name__}: {error}"[:4000].encode())
        write_frame(writes, *answer)
        sys.stderr.flush()


def _answered(model: Any, body: RawBody) -> list[Any]:
    """[status, JSON text] for a body that the model's process reads itself."""
    from sandbox.replicas.scoring.answer import answer  # by now the zygote has imported it

    return list(answer(model, body.content, body.content_type))
