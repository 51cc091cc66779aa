"""The warmed-up parent of jailed processes: MLflow, pandas and scikit-learn are imported once, runners of pyfunc models forked.

A model that is served as it is can read all the memory of its process. So its runner is not forked from a replica, which holds
other people's requests and the address of Redis, but from this process: started by the node as a fresh program with an empty
environment, it has seen nothing but what is installed here. It is run as a script: ``pyfunc_zygote.py <descriptor>``.

On the descriptor, a datagram socket, replicas ask for runners: JSON {"readable": …, "memory_bytes": …} with four descriptors,
requests (read), answers (write), output (write), lifeline. The lifeline ties the runner to its replica: when its other end
closes the runner is killed, and when the runner ends its wait status is written there. The control plane asks for the
jobs of builds in the same way (`sandbox.jail.forked`): their imports take ten times as long as they do.
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

PRELOAD = (
    "numpy",
    "pandas",
    "scipy.sparse",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "mlflow.models.utils",
    "mlflow.pyfunc.model",
    "mlflow.sklearn",
    "sandbox.replicas.pyfunc_runner",
    "sandbox.replicas.runtimes.pyfunc",
    "sandbox.builds.pyfunc_trial",
)
"""Every runner shares these modules' memory."""
CONVERSION = ("sandbox.builds.convert", "sandbox.builds.trial", "cloudpickle", "joblib", "skops.io")
JOBS = {
    "sandbox.builds.pyfunc_trial": PRELOAD,
    "sandbox.builds.convert": CONVERSION,
    "sandbox.builds.trial": CONVERSION,
}
"""Jailed jobs of builds, and what is imported before they are forked."""
LARGEST_ORDER_BYTES = 64 * 1024
IDLE_S = 600.0
"""After so long without an order and a child it ends and gives back its memory; the node starts another."""
STATUS = struct.Struct("!i")
_PR_SET_PDEATHSIG = 1
_DESCRIPTORS = 4
_NICE = 5
"""A runner that spins takes a third of the processor from whoever answers other endpoints, not a half."""


def command(descriptor: int) -> list[str]:
    """The command line that starts this program."""
    return [sys.executable, "-I", str(Path(__file__).resolve()), str(descriptor)]


def main(descriptor: int) -> None:
    """Fork runners and jobs until there was nothing to do for a while; imports wait for the first order that needs them."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = socket.socket(fileno=descriptor)
    wake_reads, wake_writes = socket.socketpair()
    for end in (wake_reads, wake_writes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writes.fileno(), warn_on_full_buffer=False)
    lifelines: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ, "order")
        selector.register(wake_reads, selectors.EVENT_READ, "child")
        while (events := selector.select(IDLE_S)) or lifelines:
            for key, _ in events:
                if key.data == "order":
                    if (runner := _obey(orders)) is not None:
                        pid, lifeline = runner
                        lifelines[pid] = lifeline
                        selector.register(lifeline, selectors.EVENT_READ, pid)
                elif key.data == "child":
                    wake_reads.recv(4096)
                    _reap(lifelines, selector)
                elif key.data in lifelines:  # nothing is ever sent: its replica closed it, or died
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(key.data, signal.SIGKILL)
                    selector.unregister(key.fileobj)


def _import(names: tuple[str, ...]) -> None:
    """Import what an order needs and no order needed before, and let forks share the pages for good."""
    if all(name in sys.modules for name in names):
        return
    gc.disable()  # imports make only objects that stay
    for name in names:
        importlib.import_module(name)
    if PRELOAD is names:
        importlib.import_module("sandbox.replicas.runtimes.pyfunc").quiet()
    gc.collect()
    gc.freeze()
    gc.enable()


def _obey(orders: socket.socket) -> tuple[int, socket.socket] | None:
    """Fork the runner that the next order asks for; its process id and our end of its lifeline."""
    raw, descriptors, _, _ = socket.recv_fds(orders, LARGEST_ORDER_BYTES, _DESCRIPTORS)
    order = json.loads(raw)
    _import(JOBS.get(order.get("job"), PRELOAD))
    if len(descriptors) != _DESCRIPTORS:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    reads, writes, output, lifeline = descriptors
    pid = os.fork()
    if pid == 0:
        _become_child(order, reads, writes, output)
    for descriptor in (reads, writes, output):
        os.close(descriptor)
    return pid, socket.socket(fileno=lifeline)


def _become_child(order: dict[str, Any], reads: int, writes: int, output: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when the machine runs out of memory, a model goes first
    try:
        if "job" in order:
            _run_job(order, reads, writes, output)
        else:
            from sandbox.replicas.pyfunc_runner import run

            os.nice(_NICE)
            run(order, reads, writes, output)
    finally:
        os._exit(1)


def _run_job(order: dict[str, Any], *standard: int) -> None:
    """Become the job. `standard`: what are to be its standard input, output and error."""
    from sandbox.jail import child

    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    if order["job"] in JOBS:
        child.run_job(importlib.import_module(order["job"]), order["settings"], child.take_output())


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
