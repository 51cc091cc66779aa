"""The control plane with its neighbours at arm's length: a node that is played by hand, a registry that is away."""

import base64
import json
import shutil
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox import live
from sandbox.replicas.messages import CONTROL_REPLICA_CHANGED, NODE_START, NODE_STOP, NODES_KEY, node_queue


@pytest.fixture
def workspace(workspace: Any) -> Any:
    """With a registered model of a few versions, without files: nothing here builds it."""
    from tests.browser.endpoint_rows import register_model

    register_model(workspace, "main.default.churn", 5)
    return workspace


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
        self.counts: dict[str, int] = {}
        """By entity: how many replicas it was asked to run last."""
        self.specs: dict[str, dict[str, Any]] = {}
        self.live(incarnation="one")

    def live(self, incarnation: str, **facts: Any) -> None:
        """From now on, however slow the test: its heartbeat lies in the future."""
        self._tell(time.time() + 3600, incarnation, facts)

    def die(self) -> None:
        self._tell(time.time() - 60, "one", {})

    def _tell(self, heartbeat_s: float, incarnation: str, facts: dict[str, Any]) -> None:
        record = {"heartbeat_s": heartbeat_s, "incarnation": incarnation, "memory_bytes": 8 * 1024**3, "cuda": [], **facts}
        self.redis.hset(NODES_KEY, self.name, json.dumps(record))

    def orders(self) -> list[tuple[str, str]]:
        """(task, entity id) of everything asked for since last time."""
        found = []
        while (message := pop(self.redis, node_queue(self.name))) is not None:
            task, (argument,) = message
            entity_id = argument["entity_id"] if task == NODE_START else argument
            if task == NODE_START:
                self.specs[entity_id] = argument
            self.counts[entity_id] = argument["replicas"] if task == NODE_START else 0
            found.append((task, entity_id))
        return found

    def started(self) -> list[str]:
        return [entity_id for task, entity_id in self.orders() if task == NODE_START]

    def stopped(self) -> list[str]:
        return [entity_id for task, entity_id in self.orders() if task == NODE_STOP]

    def announce(self, entity_id: str, number: int = 1, device: str = "cpu") -> None:
        """The entity's first, second … replica on this node is ready."""
        name = f"{entity_id[:8]}-{self.name}-{number}"
        replica = live.LiveReplica(f"r-{name}", f"replica.{name}", self.name, 4711, device=device)
        self.redis.hset(live.replicas_key(entity_id), replica.replica_id, replica.to_json())
        self._report(entity_id)

    def obey(self) -> None:
        """Do everything that was asked for: start and stop replicas."""
        for task, entity_id in self.orders():
            wanted = self.counts[entity_id] if task == NODE_START else 0
            for number in range(1, 20):
                if number <= wanted:
                    self.announce(entity_id, number)
                else:
                    self.redis.hdel(live.replicas_key(entity_id), f"r-{entity_id[:8]}-{self.name}-{number}")
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


class Registry:
    """Registered versions of the workspace, put there by hand: under any number, with files or without."""

    def __init__(self, workspace: Any) -> None:
        self.workspace = workspace

    def add(self, name: str, version: str, files: Path | None = None) -> None:
        """A READY version; one that has this number already is deleted first."""
        from sandbox.catalog.models import ModelVersion
        from sandbox.registry.version_files import version_folder

        model, by = self._model(name), "ada@example.org"
        ModelVersion.objects.filter(registered_model=model, version=version).delete()
        row = ModelVersion.objects.create(
            registered_model=model, version=int(version), status=ModelVersion.Status.READY, created_by=by, updated_by=by
        )
        if files is not None:
            shutil.copytree(files, version_folder(row))

    def _model(self, name: str) -> Any:
        from sandbox.catalog.models import Securable
        from sandbox.registry.registered_models import add_model

        found = Securable.objects.filter(workspace=self.workspace, full_name=name).first()
        return found or add_model(self.workspace, name, "ada@example.org")


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


@pytest.fixture
def registry(workspace: Any) -> Registry:
    return Registry(workspace)
