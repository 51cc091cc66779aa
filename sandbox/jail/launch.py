"""Start jailed jobs: a fresh interpreter for each, or one forked from a process that has seen nothing; three pipes lead to it."""

import os
import selectors
import shutil
import signal
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sandbox.jail import child
from sandbox.jail.errors import JailRefused, JobFailed, JobTimeout, ParentGone
from sandbox.jail.forked import ForkedProcess
from sandbox.jail.limits import MIB, Limits
from sandbox.jail.paths import is_code_world_readable
from sandbox.jail.started import StartedProcess, Tier, start

_START_TIMEOUT_S = 60.0
"""For imports on a cold disk; nothing untrusted runs before the job says that it is in the jail."""
_STDERR_TAIL_BYTES = 8_000


def run_jailed(job: str, payload: bytes, *, limits: Limits, readable: Sequence[Path] = ()) -> bytes:
    """Run the job in the jail of this machine and return its result.

    `job` names a module with `PRELOAD: tuple[str, ...]`, the modules to import before the jail is entered, and
    `run(payload: bytes) -> bytes`. `readable` are files or folders it may read besides program code.
    Raises JailRefused (nothing was run), JobTimeout, JobFailed.
    """
    with JailedJob(job, limits=limits, readable=readable) as jailed:
        return jailed.finish(payload)


@cache
def tier() -> Tier:
    """The jail of this machine, tried out once: T1 with namespaces (bubblewrap), T2 without, or none.

    SANDBOX_JAIL=t2 leaves T1 out.
    """
    wanted: tuple[Tier, ...] = ("T2",) if os.environ.get("SANDBOX_JAIL", "").lower() == "t2" else ("T1", "T2")
    return next((candidate for candidate in wanted if _works(candidate)), "none")


class JailedJob:
    """One job from start to result; starting it before its payload is there hides the time its imports take.

    The thread that starts a job must live until it has ended: the kernel kills the job with it.
    """

    def __init__(
        self,
        job: str,
        *,
        limits: Limits,
        readable: Sequence[Path] = (),
        in_tier: Tier | None = None,
        scratch: Path | None = None,
        parent: Path | None = None,
    ) -> None:
        """`scratch`: see `sandbox.jail.scratch`; only tier T2 has it.

        `parent`: where a process listens that has the job's imports behind it and forks the job (`sandbox.jail.forked`), in
        tier T2. Then ParentGone is raised, here or by `finish`, when it is not there or dies.
        """
        chosen = in_tier or tier()
        if chosen == "none":
            raise JailRefused(
                "This machine offers no jail (neither bubblewrap with Landlock and seccomp, nor the last two alone), "
                "so nothing that a learner supplies can be run. `manage.py doctor` says what is missing."
            )
        self._limits = limits
        settings = {
            "limits": limits.to_dict(),
            "readable": [str(path) for path in readable],
            "scratch": str(scratch or "") if chosen == "T2" else "",
        }
        self._process = start(job, settings, chosen) if parent is None else _fork(parent, job, settings)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        self._stderr = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def printed(self) -> str:
        """The end of what the job has written to its outputs so far, untrusted text."""
        return self._tail()

    def close(self) -> None:
        """Kill the job if it still runs, and leave nothing behind."""
        if self._process.poll() is None:
            _kill(self._process)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def finish(self, payload: bytes) -> bytes:
        """Hand the payload over and wait for the result. Can be called once. Raises as `run_jailed`."""
        answers = bytearray()
        self._exchange(b"", answers, time.monotonic() + _START_TIMEOUT_S, until_bytes=1)
        if answers[:1] != child.ENTERED:
            raise self._never_entered(bytes(answers))
        outgoing = child.PAYLOAD_HEADER.pack(len(payload)) + payload
        self._exchange(outgoing, answers, time.monotonic() + self._limits.wall_s)
        return self._result(bytes(answers[1:]))

    def _exchange(self, outgoing: bytes, answers: bytearray, deadline_s: float, until_bytes: int | None = None) -> None:
        """Send, and collect both outputs, until the job closes its output, or `until_bytes` of it have come."""
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        longest = 1 + child.FRAME_HEADER.size + self._limits.output_bytes
        unsent = memoryview(outgoing)
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            if unsent:
                selector.register(stdin, selectors.EVENT_WRITE)
            while stdout in {key.fileobj for key in selector.get_map().values()}:
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0:
                    _kill(self._process)
                    raise JobTimeout(f"It took longer than {self._limits.wall_s:g} s.", self._tail())
                for key, _ in selector.select(remaining_s):
                    if key.fileobj is stdin:
                        unsent = _send(selector, stdin, unsent)
                    elif key.fileobj is stderr:
                        self._keep_tail(_receive(selector, stderr))
                    else:
                        answers += _receive(selector, stdout)
                if len(answers) > longest:
                    _kill(self._process)
                    raise JobFailed(f"Its result is longer than {self._limits.output_bytes // MIB} MiB.", self._tail())
                if until_bytes is not None and len(answers) >= until_bytes:
                    return

    def _result(self, frame: bytes) -> bytes:
        header = child.FRAME_HEADER
        if len(frame) < header.size:
            raise JobFailed(self._why_it_ended(), self._tail())
        kind, length = header.unpack_from(frame)
        content = frame[header.size :]
        if len(content) != length:
            raise JobFailed(self._why_it_ended(), self._tail())
        if kind == child.RESULT:
            return content
        raise JobFailed(content.decode("utf-8", "replace"), self._tail())

    def _never_entered(self, answers: bytes) -> Exception:
        """What to raise; may raise ParentGone itself."""
        if answers[:1] == child.REFUSED:
            return JailRefused(answers[child.FRAME_HEADER.size :].decode("utf-8", "replace"))
        self._drain()
        why = self._why_it_ended()
        last = self._tail().strip().rpartition("\n")[2]
        return JailRefused(f"The jailed process could not start: {last or why}")

    def _drain(self) -> None:
        self._process.wait(timeout=_START_TIMEOUT_S)
        assert self._process.stderr is not None
        self._keep_tail(self._process.stderr.read() or b"")

    def _why_it_ended(self) -> str:
        """A sentence on how a process ended that left no whole result. Raises ParentGone."""
        code = self._process.wait()
        if isinstance(self._process, ForkedProcess) and self._process.parent_is_gone:
            raise ParentGone
        number = -code if code < 0 else code - 128  # bubblewrap passes a signal on as 128 + its number
        if number == signal.SIGXCPU:
            return f"It used more than {self._limits.cpu_s} s of processor time."
        if number in {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}:
            return f"It crashed ({signal.Signals(number).name})."
        if number == signal.SIGKILL:
            return f"It was killed: it used more than {self._limits.cpu_s} s of processor time, or the machine ran out of memory."
        return f"It ended with status {code} and left no whole result."

    def _keep_tail(self, received: bytes) -> None:
        self._stderr += received
        del self._stderr[:-_STDERR_TAIL_BYTES]

    def _tail(self) -> str:
        return self._stderr.decode("utf-8", "replace")


def _fork(parent: Path, job: str, settings: dict[str, Any]) -> ForkedProcess:
    """Raises ParentGone."""
    try:
        return ForkedProcess(parent, job, settings)
    except OSError:
        raise ParentGone from None


def _would_stay_root() -> bool:
    """Whether the kernel would see root behind bubblewrap's user: nobody could not read the code. It counts no tasks of root."""
    return os.geteuid() == 0 and not is_code_world_readable()


def _works(candidate: Tier) -> bool:
    """Run the self-test of the jail in this tier."""
    if candidate == "T1" and (not shutil.which("bwrap") or _would_stay_root()):
        return False
    from sandbox.jail.self_test import holds

    try:
        return holds(candidate)
    except (JailRefused, JobFailed):
        return False


def _kill(process: StartedProcess | ForkedProcess) -> None:
    process.kill()
    process.wait()


def _send(selector: selectors.BaseSelector, pipe: IO[bytes], unsent: memoryview) -> memoryview:
    """Write what the pipe takes now; stop when all is sent or nobody reads any more."""
    try:
        unsent = unsent[os.write(pipe.fileno(), unsent) :]
    except BlockingIOError:
        return unsent
    except BrokenPipeError:
        unsent = unsent[:0]
    if not unsent:
        selector.unregister(pipe)
    return unsent


def _receive(selector: selectors.BaseSelector, pipe: IO[bytes]) -> bytes:
    """Read what the pipe holds now; forget the pipe when its other end is closed."""
    try:
        received = os.read(pipe.fileno(), 1 << 18)
    except BlockingIOError:
        return b""
    if not received:
        selector.unregister(pipe)
    return received
