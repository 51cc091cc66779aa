"""The warmed-up parent of the jailed processes that run statements: DuckDB, Arrow and sqlglot imported once, children forked.

It is started as a fresh program with an empty environment, so it has seen nothing but what is installed here, and is run as a
script: ``zygote.py <descriptor>``. On the descriptor, a datagram socket, orders come: JSON {"memory_bytes", "cpu_s"} with two
descriptors, the channel (`sandbox.sql.job` says what goes over it) and a lifeline. The lifeline ties the child to whoever
ordered it: when its other end closes the child is killed, and when the child ends its wait status is written there.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

PRELOAD = ("sandbox.sql.lean_imports", "sandbox.sql.engine", "sandbox.sql.job")
LARGEST_ORDER_BYTES = 4096
STATUS = struct.Struct("!i")
_DESCRIPTORS = 2
_PR_SET_PDEATHSIG = 1
_NICE = 5
"""A statement that computes takes a third of a processor from whoever answers requests, not a half."""


def command(descriptor: int) -> list[str]:
    """The command line that starts this program."""
    return [sys.executable, "-I", str(Path(__file__).resolve()), str(descriptor)]


def main(descriptor: int) -> None:
    """Fork children until whoever started this program is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = socket.socket(fileno=descriptor)
    wake_reads, wake_writes = socket.socketpair()
    for end in (wake_reads, wake_writes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writes.fileno(), warn_on_full_buffer=False)
    _warm_up()
    lifelines: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ, "order")
        selector.register(wake_reads, selectors.EVENT_READ, "child")
        while True:
            for key, _ in selector.select():
                if key.data == "order":
                    if (child := _obey(orders)) is not None:
                        pid, lifeline = child
                        lifelines[pid] = lifeline
                        selector.register(lifeline, selectors.EVENT_READ, pid)
                elif key.data == "child":
                    wake_reads.recv(4096)
                    _reap(lifelines, selector)
                elif key.data in lifelines:  # nothing is ever sent: whoever ordered it closed it, or died
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)


def _warm_up() -> None:
    """Import what every statement needs, and let forks share the pages for good."""
    gc.disable()
    for name in PRELOAD:
        importlib.import_module(name)
    importlib.import_module("sandbox.sql.engine").warm_up()
    gc.collect()
    gc.freeze()
    gc.enable()


def _obey(orders: socket.socket) -> tuple[int, socket.socket] | None:
    """Fork the child that the next order asks for; its process id and our end of its lifeline."""
    raw, descriptors, _, _ = socket.recv_fds(orders, LARGEST_ORDER_BYTES, _DESCRIPTORS)
    if len(descriptors) != _DESCRIPTORS:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    channel, lifeline = descriptors
    pid = os.fork()
    if pid == 0:
        _become_child(json.loads(raw), channel)
    os.close(channel)
    return pid, socket.socket(fileno=lifeline)


def _become_child(order: Any, channel: int) -> None:
    from sandbox.sql.job import serve

    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.nice(_NICE)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # when the machine runs out of memory, a statement goes first
        serve(order, channel)
    finally:
        os._exit(1)


def _reap(lifelines: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        lifeline = lifelines.pop(pid, None)
        if lifeline is None:
            continue
        with contextlib.suppress(KeyError):
            selector.unregister(lifeline)
        with contextlib.suppress(OSError):
            lifeline.send(STATUS.pack(status))
        lifeline.close()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main(int(sys.argv[1]))
