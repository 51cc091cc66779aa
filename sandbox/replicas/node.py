"""The node: a Celery worker on one host that starts, watches and stops the replicas there.

`python -m sandbox.replicas.node`, configured from the environment: REDIS_URL, NODE_NAME.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis
from celery.signals import worker_ready
from kombu.exceptions import OperationalError

from sandbox import live
from sandbox.replicas import zygote
from sandbox.replicas.messages import (
    CONTROL_REPLICA_CHANGED,
    NODE_START,
    NODE_STOP,
    NODES_KEY,
    ReplicaSpec,
    node_queue,
    replica_queue,
)
from sandbox.replicas.pyfunc_service import PyfuncService
from sandbox.replicas.worker_app import REDIS_URL, app, send, worker_main

logger = logging.getLogger(__name__)
DRAIN_S = 1.5
"""Between "takes nothing new" and the request to stop: gateways have seen the change by then."""
KILL_AFTER_S = 15.0
DEATHS_ALLOWED, DEATH_WINDOW_S = 3, 300.0
LOAD_FAILED_EXIT = 3
HEARTBEAT_S = 1.0


@dataclass
class Wanted:
    """A replica that this node is to keep running."""

    spec: ReplicaSpec
    replica_id: str
    pid: int = 0
    seen: bool = False
    """Whether its announcement has been seen in Redis."""
    deaths: deque[float] = field(default_factory=deque)


class Node:
    """State of the node; the Celery tasks and the two threads share it under one lock."""

    def __init__(self, name: str, channel: socket.socket) -> None:
        self.name = name
        self.channel = channel
        self.redis: Any = redis.Redis.from_url(REDIS_URL, socket_timeout=10, socket_connect_timeout=5)
        self.lock = threading.Lock()
        self.wanted: dict[str, Wanted] = {}
        self.leaving: dict[int, tuple[str, str]] = {}
        """pid -> (entity_id, replica_id) of replicas that drain"""
        self.unborn: dict[str, str] = {}
        """replica_id -> entity_id of replicas that were stopped before their fork was reported"""
        self.incarnation = uuid.uuid4().hex

    # --- what the control plane asks -----------------------------------------------------------

    def start(self, spec: ReplicaSpec) -> None:
        """Start a replica of the entity; what runs already is left alone."""
        with self.lock:
            if spec.entity_id not in self.wanted:
                self._fork(Wanted(spec, ""))

    def _fork(self, wanted: Wanted) -> None:
        wanted.replica_id = uuid.uuid4().hex[:16]
        wanted.pid, wanted.seen = 0, False
        self.wanted[wanted.spec.entity_id] = wanted
        self._tell({"start": wanted.spec.to_dict(), "replica_id": wanted.replica_id})

    def stop(self, entity_id: str) -> None:
        """Drain and stop every replica of the entity."""
        with self.lock:
            wanted = self.wanted.pop(entity_id, None)
            if wanted is None:
                return
            if wanted.pid:
                self.leaving[wanted.pid] = (entity_id, wanted.replica_id)
            else:
                self.unborn[wanted.replica_id] = entity_id
        record = live.LiveReplica(wanted.replica_id, replica_queue(wanted.replica_id), self.name, wanted.pid, draining=True)
        pipe = self.redis.pipeline(transaction=True)
        pipe.hset(live.replicas_key(entity_id), wanted.replica_id, record.to_json())
        pipe.publish(live.CHANNEL, live.replicas_key(entity_id))
        try:
            pipe.execute()
        finally:
            threading.Timer(DRAIN_S, self._terminate, (wanted,)).start()

    def _terminate(self, wanted: Wanted) -> None:
        if wanted.pid:
            self._tell({"stop": wanted.pid})
            threading.Timer(KILL_AFTER_S, self._kill_late, (wanted.pid,)).start()

    def _kill_late(self, pid: int) -> None:
        if pid in self.leaving:
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
            for wanted in self.wanted.values():
                if wanted.replica_id == replica_id:
                    wanted.pid = pid
                    return
            if replica_id in self.unborn:
                self.leaving[pid] = (self.unborn.pop(replica_id), replica_id)
        self._tell({"stop": pid})

    def _exited(self, pid: int, status: int) -> None:
        with self.lock:
            if pid in self.leaving:
                entity_id, replica_id = self.leaving.pop(pid)
            else:
                wanted = next((w for w in self.wanted.values() if w.pid == pid), None)
                if wanted is None:
                    return
                entity_id, replica_id = wanted.spec.entity_id, wanted.replica_id
                self._restart_or_fail(wanted, status)
        self._gone(entity_id, replica_id)

    def _restart_or_fail(self, wanted: Wanted, status: int) -> None:
        """A replica died: start it again at once, unless its model cannot run."""
        entity_id = wanted.spec.entity_id
        now = time.monotonic()
        wanted.deaths.append(now)
        while wanted.deaths and now - wanted.deaths[0] > DEATH_WINDOW_S:
            wanted.deaths.popleft()
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == LOAD_FAILED_EXIT:
            del self.wanted[entity_id]  # the replica has said why
        elif len(wanted.deaths) > DEATHS_ALLOWED:
            del self.wanted[entity_id]
            message = (
                f"The replica died {len(wanted.deaths)} times within {DEATH_WINDOW_S / 60:.0f} minutes. "
                "Update the endpoint to try again."
            )
            self.redis.set(live.failure_key(entity_id), orjson.dumps({"message": message}))
        else:
            logger.warning("replica of %s died (status %s), starting another", wanted.spec.served_name, status)
            self._fork(wanted)

    def _gone(self, entity_id: str, replica_id: str) -> None:
        pipe = self.redis.pipeline(transaction=True)
        pipe.hdel(live.replicas_key(entity_id), replica_id)
        queue = replica_queue(replica_id)
        pipe.delete(queue, f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}")  # Celery made these
        pipe.publish(live.CHANNEL, live.replicas_key(entity_id))
        pipe.execute()
        try:
            send(CONTROL_REPLICA_CHANGED, (entity_id,), "control")
        except OperationalError as error:
            logger.warning("the control plane finds out by itself: %s", error)

    # --- presence ------------------------------------------------------------------------------

    def forget_former_replicas(self) -> None:
        """Replicas recorded by an earlier incarnation of this node died with it."""
        for key in self.redis.scan_iter(match=live.replicas_key("*"), count=1000):
            for replica_id, value in self.redis.hgetall(key).items():
                if live.LiveReplica.from_json(value).node == self.name:
                    self.redis.hdel(key, replica_id)
                    self.redis.publish(live.CHANNEL, key)

    def beat(self) -> None:
        """Tell every second that the node lives, for ever; after a wipe of Redis tell of the replicas too."""
        while True:
            try:
                self._announce_again()
                self._strike_off_the_dead()
                record = {"heartbeat_s": time.time(), "incarnation": self.incarnation, "pid": os.getpid(), "devices": ["cpu"]}
                self.redis.hset(NODES_KEY, self.name, orjson.dumps(record))
            except redis.RedisError as error:
                logger.warning("heartbeat not sent: %s", error)
            time.sleep(HEARTBEAT_S)

    def _announce_again(self) -> None:
        """Replicas whose announcement has vanished from Redis still run: put it back."""
        with self.lock:
            running = [wanted for wanted in self.wanted.values() if wanted.pid]
        for wanted in running:
            key = live.replicas_key(wanted.spec.entity_id)
            if self.redis.hexists(key, wanted.replica_id):
                wanted.seen = True
            elif wanted.seen:
                record = live.LiveReplica(wanted.replica_id, replica_queue(wanted.replica_id), self.name, wanted.pid)
                self.redis.hset(key, wanted.replica_id, record.to_json())
                self.redis.publish(live.CHANNEL, key)

    def _strike_off_the_dead(self) -> None:
        """Replicas of this node that Redis still names though they are gone: their end could not be told at the time."""
        for key in self.redis.scan_iter(match=live.replicas_key("*"), count=1000):
            named = {live.LiveReplica.from_json(value) for value in self.redis.hvals(key)}
            with self.lock:
                mine = {wanted.replica_id for wanted in self.wanted.values()} | set(self.unborn)
                mine |= {replica_id for _, replica_id in self.leaving.values()}
            for replica in named:
                if replica.node == self.name and replica.replica_id not in mine:
                    self._gone(key.decode().removeprefix(live.replicas_key("")), replica.replica_id)


def main() -> None:
    """Fork the zygote, wait until it is warm, then take orders."""
    zygote.die_with_parent()
    name = os.environ.get("NODE_NAME", "node-1")
    ours, theirs = socket.socketpair()
    pyfunc = PyfuncService.open()
    if os.fork() == 0:
        ours.close()
        zygote.run(theirs, name, pyfunc)
    theirs.close()
    node = Node(name, ours)
    if not ours.makefile("rb").readline().startswith(b'{"warm"'):
        sys.exit("The parent of the replicas did not start; its error is above.")
    node.forget_former_replicas()

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
        threading.Thread(target=node.beat, daemon=True).start()

    try:
        worker_main(node_queue(name), f"node@{name}")
    finally:
        pyfunc.close()


if __name__ == "__main__":
    main()
