"""The control plane with its neighbours at arm's length: a node that is played by hand, a registry that is away."""

import base64
import json
import time
from typing import Any

import orjson
import pytest

from sandbox import live
from sandbox.replicas.messages import CONTROL_REPLICA_CHANGED, NODE_START, NODE_STOP, NODES_KEY, node_queue


class Control:
    """Runs the messages of queue `control` through the real Celery tasks, one after the other."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    def run(self) -> list[str]:
        """Until the queue is empty; returns the names of the tasks that ran."""
        from config.celery_app import app

        app.loader.import_default_modules()
        ran = []
        while (message := pop(self.redis, "control")) is not None:
            name, args = message
            app.tasks[name](*args)
            ran.append(name)
        return ran


class Node:
    """A node by its wire protocol: takes orders from its queue, announces replicas, reports to `control`."""

    def __init__(self, redis: Any, name: str = "node-1") -> None:
        self.redis, self.name = redis, name
        self.live(incarnation="one")

    def live(self, incarnation: str) -> None:
        self.redis.hset(
            NODES_KEY, self.name, json.dumps({"heartbeat_s": time.time(), "incarnation": incarnation, "devices": ["cpu"]})
        )

    def die(self) -> None:
        self.redis.hset(NODES_KEY, self.name, json.dumps({"heartbeat_s": time.time() - 60, "incarnation": "one", "devices": []}))

    def orders(self) -> list[tuple[str, str]]:
        """(task, entity id) of everything asked for since last time."""
        found = []
        while (message := pop(self.redis, node_queue(self.name))) is not None:
            task, (argument,) = message
            found.append((task, argument["entity_id"] if task == NODE_START else argument))
        return found

    def started(self) -> list[str]:
        return [entity_id for task, entity_id in self.orders() if task == NODE_START]

    def stopped(self) -> list[str]:
        return [entity_id for task, entity_id in self.orders() if task == NODE_STOP]

    def announce(self, entity_id: str) -> None:
        replica = live.LiveReplica(f"r-{entity_id[:8]}", f"replica.{entity_id[:8]}", self.name, 4711)
        self.redis.hset(live.replicas_key(entity_id), replica.replica_id, replica.to_json())
        self._report(entity_id)

    def lose(self, entity_id: str) -> None:
        self.redis.delete(live.replicas_key(entity_id))
        self._report(entity_id)

    def fail(self, entity_id: str, message: str) -> None:
        self.redis.set(live.failure_key(entity_id), orjson.dumps({"message": message}))
        self._report(entity_id)

    def _report(self, entity_id: str) -> None:
        from config.celery_app import app

        app.send_task(CONTROL_REPLICA_CHANGED, args=(entity_id,), exchange="", routing_key="control")


def pop(redis: Any, queue: str) -> tuple[str, list[Any]] | None:
    """The oldest message of a Celery queue: task name and arguments."""
    raw = redis.rpop(queue)
    if raw is None:
        return None
    message = json.loads(raw)
    args, _, _ = json.loads(base64.b64decode(message["body"]))
    return message["headers"]["task"], args


@pytest.fixture
def node(redis: Any) -> Node:
    return Node(redis)


@pytest.fixture
def control(redis: Any) -> Control:
    return Control(redis)
