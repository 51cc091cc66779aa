"""Jailed processes for statements, one for each: ordered from a zygote that this process keeps, ended by closing a socket."""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.jail.environment import ENVIRONMENT
from sandbox.jail.errors import JailRefused
from sandbox.jail.landlock import landlock_version
from sandbox.sql import channel, zygote

logger = logging.getLogger(__name__)
_RESTART_PAUSE_S = 0.5
_STATUS_TIMEOUT_S = 5.0


class Zygote:
    """The zygote of this process; started when the first statement asks for it, and again when it dies."""

    def __init__(self) -> None:
        self.orders, self._inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # the kernel ends the program together with the thread that started it, so this thread never ends
        threading.Thread(target=self._keep, daemon=True, name="sql-zygote").start()

    def _keep(self) -> None:
        descriptor = self._inbox.fileno()
        while True:
            process = subprocess.Popen(
                zygote.command(descriptor),
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor],
                process_group=0,
            )
            logger.warning("the parent of the SQL processes ended with status %s, starting another", process.wait())
            time.sleep(_RESTART_PAUSE_S)


_lock = threading.Lock()
_zygote: Zygote | None = None


def warm_up() -> Zygote:
    """Start the zygote unless it runs; returns at once, the imports take half a second. Raises JailRefused."""
    global _zygote
    with _lock:
        if _zygote is None:
            _require_jail()
            _zygote = Zygote()
        return _zygote


def _require_jail() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    if landlock_version(libc) < 1:
        raise JailRefused("This machine offers no jail: its kernel has no Landlock.")


class Child:
    """One jailed process; a context manager that leaves nothing behind. `kill` may come from any thread."""

    def __init__(self, files: Sequence[Path | bytes], *, memory_bytes: int, cpu_s: int) -> None:
        """`files`: Parquet files, by path or content; the child gets nothing but open descriptors of them.

        Raises JailRefused when this machine has no jail, FileNotFoundError, channel.Gone.
        """
        orders = warm_up().orders
        self.channel, theirs = socket.socketpair()
        self._lifeline, their_lifeline = socket.socketpair()
        order = json.dumps({"memory_bytes": memory_bytes, "cpu_s": cpu_s, "files": len(files)}).encode()
        try:
            socket.send_fds(orders, [order], [theirs.fileno(), their_lifeline.fileno()])
        finally:
            theirs.close()
            their_lifeline.close()
        try:
            self._hand_over(files)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        self.channel.close()
        self._lifeline.close()

    def kill(self) -> None:
        """Have the zygote kill the process."""
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_WR)

    def _hand_over(self, files: Sequence[Path | bytes]) -> None:
        for start in range(0, len(files), channel.FILES_AT_ONCE):
            descriptors: list[int] = []
            try:
                for file in files[start : start + channel.FILES_AT_ONCE]:
                    descriptors.append(_opened(file))
                channel.send_files(self.channel, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def end_signal(self) -> int:
        """The signal that ended the process, 0 when none did; call it when the channel is closed from the other side."""
        self._lifeline.settimeout(_STATUS_TIMEOUT_S)
        try:
            raw = self._lifeline.recv(zygote.STATUS.size)
        except OSError:
            return signal.SIGKILL
        if len(raw) != zygote.STATUS.size:  # the zygote died, and its children with it
            return signal.SIGKILL
        status = zygote.STATUS.unpack(raw)[0]
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _opened(file: Path | bytes) -> int:
    if isinstance(file, Path):
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("rows", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as content:
        content.write(file)
    return descriptor
