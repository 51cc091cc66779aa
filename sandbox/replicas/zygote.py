"""The warmed-up parent of a node's replicas: everything is imported once, replicas are forked from it.

It has one thread and no connection to anything, so that a fork is safe. The node talks to it in JSON lines:
in  {"start": spec, "replica_id": …} or {"stop": pid};  out {"warm": pid, "cuda": …}, {"started": replica_id, "pid": …}
and {"exited": pid, "status": …}. When the node's end closes, everything ends.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from sandbox.builds.signature import FOREST_KEY
from sandbox.freed_memory import keep_freed_memory

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere the closing socket tells)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def warm_up() -> None:
    """Import what a replica and its runner need, before the first fork."""
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # a thread of the memory pool of pandas' columns
    import celery.apps.worker
    import celery.bin.worker
    import celery.concurrency.solo
    import celery.worker.consumer
    import kombu.transport.redis
    import numpy

    import sandbox.replicas.runtimes.embedding
    import sandbox.replicas.runtimes.onnx
    import sandbox.replicas.scoring.answer
    import sandbox.replicas.worker

    sandbox.replicas.scoring.answer.warm_up()
    _ = (celery, kombu, numpy, sandbox)


def run(channel: socket.socket, node: str, pyfunc: Any) -> None:
    """Serve the node until its end of the channel closes; never returns. `pyfunc`: the node's `PyfuncService`."""
    packages: dict[int, str] = {}
    die_with_parent()
    keep_freed_memory()
    wake_reads, wake_writes = socket.socketpair()
    for end in (wake_reads, wake_writes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm_up()
    gc.collect()
    gc.freeze()  # the collector never touches these pages again, so forks go on sharing them
    from sandbox.replicas.runtimes import onnx

    _say(channel, {"warm": os.getpid(), "cuda": onnx.can_use_cuda()})
    buffer = b""
    while True:
        readable = select.select([channel, wake_reads], [], [])[0]
        if wake_reads in readable:
            wake_reads.recv(4096)
            _reap(channel, packages, pyfunc)
        if channel in readable:
            data = channel.recv(65536)
            if not data:
                os._exit(0)  # the node is gone: PDEATHSIG ends the replicas
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                command = json.loads(line)
                pid = _obey(command, channel, node, (wake_reads, wake_writes), pyfunc)
                if pid and command["start"]["runtime"] == "pyfunc":
                    packages[pid] = command["start"]["model_sha256"]


def _obey(
    command: dict[str, Any], channel: socket.socket, node: str, own: tuple[socket.socket, socket.socket], pyfunc: Any
) -> int:
    """Do as the node says; the process id of a replica that was started, else 0."""
    if "stop" in command:
        with contextlib.suppress(ProcessLookupError):
            os.kill(command["stop"], signal.SIGTERM)
        return 0
    _prepare(command["start"])
    pid = os.fork()
    if pid:
        _say(channel, {"started": command["replica_id"], "pid": pid})
        return pid
    signal.set_wakeup_fd(-1)
    for end in (channel, *own):
        end.close()
    return _become_replica(command, node, pyfunc)


def _prepare(spec: dict[str, Any]) -> None:
    """Compile what evaluates forests before the first replica that holds one, so that all replicas share it."""
    from sandbox.replicas.runtimes import onnx

    if spec["runtime"] == "onnx" and not onnx.can_evaluate_forests() and _holds_forest(Path(spec["model_path"])):
        onnx.compile_forests()
        gc.collect()
        gc.freeze()


def _holds_forest(model: Path) -> bool:
    with contextlib.suppress(OSError):  # the replica says why
        return FOREST_KEY.encode() in model.read_bytes()
    return False


def _become_replica(command: dict[str, Any], node: str, pyfunc: Any) -> NoReturn:
    from sandbox.replicas.messages import ReplicaSpec
    from sandbox.replicas.worker import serve

    try:
        die_with_parent()
        os.setpgid(0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        serve(ReplicaSpec.from_dict(command["start"]), command["replica_id"], node, pyfunc)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _reap(channel: socket.socket, packages: dict[int, str], pyfunc: Any) -> None:
    """Tell the node who has ended; a model that no replica uses any more is removed from where it was unpacked."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if (sha256 := packages.pop(pid, None)) is not None and sha256 not in packages.values():
            pyfunc.folders.drop(sha256)
        _say(channel, {"exited": pid, "status": status})


def _say(channel: socket.socket, event: dict[str, Any]) -> None:
    try:
        channel.sendall(json.dumps(event).encode() + b"\n")
    except OSError:
        os._exit(0)
