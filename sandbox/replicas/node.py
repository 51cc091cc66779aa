"""The node: a Celery worker on one host that starts, watches and stops the replicas there.

`python -m sandbox.replicas.node`, configured from the environment: REDIS_URL, NODE_NAME, MODEL_DIR, NODE_MEMORY_MB.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import redis
from celery.signals import worker_ready
from kombu.exceptions import OperationalError

from sandbox import live
from sandbox.replicas import presence, zygote
from sandbox.replicas.messages import (
    CONTROL_REPLICA_CHANGED,
    NODE_START,
    NODE_STOP,
    ReplicaSpec,
    node_queue,
    replica_queue,
)
from sandbox.replicas.model_files import ModelFileMissing, ModelFiles
from sandbox.replicas.pyfunc_service import PyfuncService
from sandbox.replicas.restarts import DIED_TOO_OFTEN, PAUSE_S, Restart, Restarts
from sandbox.replicas.wanted import Wanted
from sandbox.replicas.worker_app import REDIS_URL, app, send, worker_main

logger = logging.getLogger(__name__)
DRAIN_S = 1.5
"""Between "takes nothing new" and the request to stop: gateways have seen the change by then."""
KILL_AFTER_S = 300.0
"""A replica that was told to stop may finish the request in hand; none takes longer than that."""


class Node:
    """State of the node; the Celery tasks and the threads share it under one lock."""

    def __init__(self, name: str, channel: socket.socket, model_dir: Path) -> None:
        self.name = name
        self.channel = channel
        self.redis: Any = redis.Redis.from_url(REDIS_URL, socket_timeout=10, socket_connect_timeout=5)
        self.files = ModelFiles(model_dir, self.redis)
        self.lock = threading.RLock()
        self.wanted: dict[str, Wanted] = {}
        """By replica id."""
        self.orders: dict[str, ReplicaSpec] = {}
        """The last order for each entity."""
        self.restarts = Restarts()
        self.leaving: dict[int, Wanted] = {}
        """By process id: replicas that drain."""
        self.unborn: dict[str, Wanted] = {}
        """By replica id: replicas that were stopped before their fork was reported."""
        self.untold: set[tuple[str, str]] = set()
        """(entity id, replica id) of ends that Redis could not be told."""
        self.cuda: list[dict[str, Any]] = []
        self.incarnation = uuid.uuid4().hex

    # --- what the control plane asks -----------------------------------------------------------

    def start(self, spec: ReplicaSpec) -> None:
        """Run `spec.replicas` replicas of the entity from now on; fetch the model first if it is not here."""
        with self.lock:
            self.orders[spec.entity_id] = spec
        if self.files.has(spec.model_sha256):
            self._fill(spec)
        else:
            threading.Thread(target=self._fetch_and_fill, args=(spec,), daemon=True).start()

    def _fetch_and_fill(self, spec: ReplicaSpec) -> None:
        try:
            self.files.fetch(spec.model_sha256)
        except ModelFileMissing as error:
            self._fail(spec.entity_id, str(error))
            return
        except (redis.RedisError, OperationalError, OSError) as error:
            logger.warning("model of %s not fetched (%s); the control plane asks again", spec.served_name, error)
            return
        with self.lock:
            if self.orders.get(spec.entity_id) is not spec:
                return  # another order came meanwhile
        self._fill(spec)

    def _fill(self, spec: ReplicaSpec) -> None:
        """Start what is missing, drain what is too much."""
        spec = replace(spec, model_path=str(self.files.path(spec.model_sha256)))
        with self.lock:
            mine = self._of(spec.entity_id)
            for _ in range(spec.replicas - len(mine)):
                self._fork(spec)
            surplus = sorted(mine, key=lambda wanted: bool(wanted.pid))[: max(0, len(mine) - spec.replicas)]
        self._drain(surplus)

    def _fork(self, spec: ReplicaSpec) -> None:
        wanted = Wanted(self._on_device(spec), uuid.uuid4().hex[:16])
        self.wanted[wanted.replica_id] = wanted
        self._tell({"start": wanted.spec.to_dict(), "replica_id": wanted.replica_id})

    def _on_device(self, spec: ReplicaSpec) -> ReplicaSpec:
        """The spec with the CUDA device that has the fewest replicas, where one was asked for and is here."""
        if spec.device == "cpu" or not self.cuda:
            return replace(spec, device="cpu")
        load = Counter(wanted.spec.device for wanted in self.wanted.values())
        return replace(spec, device=min((f"cuda:{device['index']}" for device in self.cuda), key=lambda name: load[name]))

    def stop(self, entity_id: str) -> None:
        """Drain and stop every replica of the entity."""
        with self.lock:
            self.orders.pop(entity_id, None)
            self.restarts.forget(entity_id)
            mine = self._of(entity_id)
        self._drain(mine)

    def _of(self, entity_id: str) -> list[Wanted]:
        return [wanted for wanted in self.wanted.values() if wanted.entity_id == entity_id]

    def _drain(self, replicas: list[Wanted]) -> None:
        """Gateways are told first; the processes are asked to stop when they have seen it."""
        if not replicas:
            return
        with self.lock:
            for wanted in replicas:
                del self.wanted[wanted.replica_id]
                if wanted.pid:
                    self.leaving[wanted.pid] = wanted
                else:
                    self.unborn[wanted.replica_id] = wanted
        pipe = self.redis.pipeline(transaction=True)
        for wanted in replicas:
            record = wanted.record(self.name, draining=True)
            pipe.hset(live.replicas_key(wanted.entity_id), wanted.replica_id, record.to_json())
            pipe.publish(live.CHANNEL, live.replicas_key(wanted.entity_id))
        try:
            pipe.execute()
        finally:
            threading.Timer(DRAIN_S, self._terminate, (replicas,)).start()

    def _terminate(self, replicas: list[Wanted]) -> None:
        for wanted in replicas:
            if wanted.pid:
                self._tell({"stop": wanted.pid})
                timer = threading.Timer(KILL_AFTER_S, self._kill_late, (wanted.pid, wanted.replica_id))
                timer.daemon = True
                timer.start()

    def _kill_late(self, pid: int, replica_id: str) -> None:
        if pid in self.leaving and self.leaving[pid].replica_id == replica_id:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _tell(self, command: dict[str, Any]) -> None:
        self.channel.sendall(json.dumps(command).encode() + b"\n")

    # --- what the parent of the replicas reports -----------------------------------------------

    def listen(self) -> None:
        """Read the zygote's events until it dies; then this process ends, to be started anew."""
        for line in self.channel.makefile("rb"):
            event = json.loads(line)
            try:
                if "started" in event:
                    self._started(event["started"], event["pid"])
                elif "exited" in event:
                    self._exited(event["exited"], event["status"])
            except Exception as error:  # the thread must live on; what Redis was not told, the next beat finds
                logger.warning("event %s not published: %s", event, error)
        logger.error("the parent of the replicas died; the node restarts")
        os._exit(1)

    def _started(self, replica_id: str, pid: int) -> None:
        with self.lock:
            if wanted := self.wanted.get(replica_id):
                wanted.pid = pid
                return
            if wanted := self.unborn.pop(replica_id, None):
                wanted.pid = pid
                self.leaving[pid] = wanted
        self._tell({"stop": pid})

    def _exited(self, pid: int, status: int) -> None:
        with self.lock:
            gone = self.leaving.pop(pid, None)
            if gone is None:
                gone = next((wanted for wanted in self.wanted.values() if wanted.pid == pid), None)
                if gone is None:
                    return
                del self.wanted[gone.replica_id]
                self._restart_or_fail(gone, status)
        self.tell_end(gone.entity_id, gone.replica_id)

    def _restart_or_fail(self, gone: Wanted, status: int) -> None:
        """A replica died: start another, unless its model cannot run."""
        restart = self.restarts.after_death(gone.entity_id, status, was_ready=gone.seen or self._is_announced(gone))
        if restart is Restart.NEVER:
            self._fail(gone.entity_id, DIED_TOO_OFTEN)
        elif restart is not Restart.HAS_FAILED:
            logger.warning("replica of %s died (status %s), starting another", gone.spec.served_name, status)
        if restart is Restart.AT_ONCE:
            self._fork(gone.spec)
        elif restart is Restart.LATER:
            threading.Timer(PAUSE_S, self._fill_again, (gone.entity_id,)).start()

    def _is_announced(self, wanted: Wanted) -> bool:
        """Whether the replica had said that it takes requests."""
        try:
            return bool(self.redis.hexists(live.replicas_key(wanted.entity_id), wanted.replica_id))
        except redis.RedisError:
            return True  # it is not known; starting one too many does less harm

    def _fill_again(self, entity_id: str) -> None:
        with self.lock:
            spec = self.orders.get(entity_id)
        if spec is not None:
            self._fill(spec)

    def _fail(self, entity_id: str, message: str) -> None:
        """Say why the entity cannot run here; whoever waits for it hears it."""
        pipe = self.redis.pipeline(transaction=True)
        pipe.set(live.failure_key(entity_id), orjson.dumps({"message": message}))
        pipe.publish(live.CHANNEL, live.failure_key(entity_id))
        pipe.execute()
        self._report(entity_id)

    def tell_end(self, entity_id: str, replica_id: str) -> None:
        """Strike a replica off that has ended. Raises RedisError; then the next beat tells it."""
        self.untold.add((entity_id, replica_id))
        queue = replica_queue(replica_id)
        pipe = self.redis.pipeline(transaction=True)
        pipe.hdel(live.replicas_key(entity_id), replica_id)
        pipe.delete(queue, f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}")  # Celery made these
        pipe.publish(live.CHANNEL, live.replicas_key(entity_id))
        pipe.execute()
        self.untold.discard((entity_id, replica_id))
        self._report(entity_id)

    def _report(self, entity_id: str) -> None:
        try:
            send(CONTROL_REPLICA_CHANGED, (entity_id,), "control")
        except OperationalError as error:
            logger.warning("the control plane finds out by itself: %s", error)


def main() -> None:
    """Fork the zygote, wait until it is warm, then take orders."""
    zygote.die_with_parent()
    name = os.environ.get("NODE_NAME", "node-1")
    ours, theirs = socket.socketpair()
    address = os.environ.get("PYFUNC_SOCKET")
    pyfunc = PyfuncService.open(Path(address) if address else None)
    if os.fork() == 0:
        ours.close()
        zygote.run(theirs, name, pyfunc)
    theirs.close()
    node = Node(name, ours, Path(os.environ.get("MODEL_DIR", "var/models")))
    presence.refuse_taken_name(node)
    line = ours.makefile("rb").readline()
    if not line.startswith(b'{"warm"'):
        sys.exit("The parent of the replicas did not start; its error is above.")
    node.cuda = presence.usable_cuda_devices(can_use_cuda=json.loads(line)["cuda"])
    presence.forget_former_replicas(node)

    @app.task(name=NODE_START)
    def start_replica(spec: dict[str, Any]) -> None:
        node.start(ReplicaSpec.from_dict(spec))

    @app.task(name=NODE_STOP)
    def stop_replicas(entity_id: str) -> None:
        node.stop(entity_id)

    @worker_ready.connect(weak=False)
    def ready(**_: Any) -> None:
        pyfunc.keep_zygote()
        threading.Thread(target=node.listen, daemon=True).start()
        threading.Thread(target=presence.beat, args=(node,), daemon=True).start()

    try:
        worker_main(node_queue(name), f"node@{name}")
    finally:
        pyfunc.close()


if __name__ == "__main__":
    main()
