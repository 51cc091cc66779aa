"""What a node tells of itself: each second that it lives, now and then which of its replicas run and what they use."""

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson
import redis

from sandbox import live, metrics
from sandbox.replicas import capacity
from sandbox.replicas.messages import NODES_KEY
from sandbox.replicas.usage import Meter

if TYPE_CHECKING:
    from sandbox.replicas.node import Node

logger = logging.getLogger(__name__)
HEARTBEAT_S = 1.0
LOOK_THROUGH_EVERY_S = 30.0
"""How often every replica that Redis names is compared with those that run: that walks through all keys."""
SAMPLE_EVERY_S = 5.0
TAKEN_WITHIN_S = 5.0


def beat(node: "Node") -> None:
    """Tell every second that the node lives, for ever; after a wipe of Redis tell of the replicas too."""
    meter = Meter()
    memory_bytes = capacity.memory_bytes()
    looked_through_s = sampled_s = time.monotonic()
    while True:
        try:
            _announce_again(node)
            for entity_id, replica_id in list(node.untold):
                node.tell_end(entity_id, replica_id)
            node.redis.hset(NODES_KEY, node.name, orjson.dumps(_record(node, memory_bytes)))
            if time.monotonic() - looked_through_s > LOOK_THROUGH_EVERY_S:
                looked_through_s = time.monotonic()
                strike_off_the_dead(node)
            if time.monotonic() - sampled_s > SAMPLE_EVERY_S:
                sampled_s = time.monotonic()
                _sample(node, meter)
        except redis.RedisError as error:
            logger.warning("heartbeat not sent: %s", error)
            looked_through_s = 0.0  # what could not be told, or was forgotten by Redis, is found at once when it is back
        time.sleep(HEARTBEAT_S)


def refuse_taken_name(node: "Node") -> None:
    """Two nodes of one name would take each other's orders. (A node that only restarts finds itself: the same host.)"""
    raw = node.redis.hget(NODES_KEY, node.name)
    record = orjson.loads(raw) if raw else {}
    is_fresh = time.time() - float(record.get("heartbeat_s", 0)) < TAKEN_WITHIN_S
    if is_fresh and record.get("host") != capacity.hostname():
        sys.exit(f"The name {node.name} is taken by a node on host {record['host']}: give this one another NODE_NAME.")
    if is_fresh and _is_alive(int(record.get("pid", 0))):
        sys.exit(f"The name {node.name} is taken by process {record['pid']} of this host: give this one another NODE_NAME.")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return 0 < pid != os.getpid()


def usable_cuda_devices(*, can_use_cuda: bool) -> list[dict[str, Any]]:
    """The devices to announce; none where ONNX Runtime was built without CUDA."""
    return [device.to_dict() for device in capacity.cuda_devices()] if can_use_cuda else []


def forget_former_replicas(node: "Node") -> None:
    """Replicas recorded by an earlier incarnation of this node died with it."""
    for key in node.redis.scan_iter(match=live.replicas_key("*"), count=1000):
        for replica_id, value in node.redis.hgetall(key).items():
            if live.LiveReplica.from_json(value).node == node.name:
                node.redis.hdel(key, replica_id)
                node.redis.publish(live.CHANNEL, key)


def strike_off_the_dead(node: "Node") -> None:
    """Replicas of this node that Redis still names though they are gone: their end could not be told at the time."""
    for key in node.redis.scan_iter(match=live.replicas_key("*"), count=1000):
        named = [live.LiveReplica.from_json(value) for value in node.redis.hvals(key)]
        with node.lock:
            mine = {*node.wanted, *node.unborn, *(wanted.replica_id for wanted in node.leaving.values())}
        for replica in named:
            if replica.node == node.name and replica.replica_id not in mine:
                node.tell_end(key.decode().removeprefix(live.replicas_key("")), replica.replica_id)


def _record(node: "Node", memory_bytes: int) -> dict[str, Any]:
    return {
        "heartbeat_s": time.time(),
        "incarnation": node.incarnation,
        "host": capacity.hostname(),
        "pid": os.getpid(),
        "memory_bytes": memory_bytes,
        "cuda": node.cuda,
    }


def _announce_again(node: "Node") -> None:
    """Replicas whose announcement has vanished from Redis still run: put it back. One round trip for all of them."""
    with node.lock:
        running = [wanted for wanted in node.wanted.values() if wanted.pid]
    pipe = node.redis.pipeline(transaction=False)
    for wanted in running:
        pipe.hexists(live.replicas_key(wanted.entity_id), wanted.replica_id)
    for wanted, is_there in zip(running, pipe.execute(), strict=True):
        if is_there:
            wanted.seen = True
        elif wanted.seen and wanted.replica_id in node.wanted:
            key = live.replicas_key(wanted.entity_id)
            node.redis.hset(key, wanted.replica_id, wanted.record(node.name).to_json())
            node.redis.publish(live.CHANNEL, key)


def _sample(node: "Node", meter: Meter) -> None:
    """Write down what each replica uses."""
    with node.lock:
        running = {wanted.pid: wanted for wanted in node.wanted.values() if wanted.pid}
    now_s = time.time()
    pipe = node.redis.pipeline(transaction=False)
    for pid, usage in meter.sample(running).items():
        wanted = running[pid]
        metrics.write_usage(pipe, wanted.spec.endpoint_id, wanted.entity_id, wanted.replica_id, usage, now_s)
    pipe.execute()
