"""Asks nodes to start and stop replicas, and knows which replicas can be counted on."""

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from kombu import Queue

from sandbox import live
from sandbox.connections import redis_client
from sandbox.errors import ApiError
from sandbox.replicas.messages import NODE_START, NODE_STOP, NODES_KEY, ReplicaSpec, node_queue
from sandbox.serving.entity_environment import sealed
from sandbox.serving.models import ServedEntity

NODE_DEAD_S = 10.0
"""A node renews its heartbeat each second. One that is only restarted strikes off its former replicas itself."""
START_AGAIN = timedelta(seconds=10)
"""A node that has not answered by then is asked again; starting what runs already does nothing."""
START_EXPIRES_S = 30


@dataclass(frozen=True)
class Node:
    """A node that lives. Its incarnation changes with each start of the process."""

    name: str
    incarnation: str

    @property
    def address(self) -> str:
        return f"{self.name}/{self.incarnation}"


def living_nodes() -> dict[str, Node]:
    """By name, those whose heartbeat is fresh (the hosts' clocks agree to within a second or two)."""
    now = time.time()
    records = {name.decode(): json.loads(value) for name, value in redis_client().hgetall(NODES_KEY).items()}
    return {
        name: Node(name, str(record.get("incarnation", "")))
        for name, record in records.items()
        if now - float(record["heartbeat_s"]) < NODE_DEAD_S
    }


def has_replica(entity_id: str, nodes: Mapping[str, Node]) -> bool:
    """Whether a replica takes requests. Those of a dead node are struck off, so that gateways stop asking them."""
    redis = redis_client()
    found = live.replicas(redis, entity_id)
    for replica in found:
        if replica.node not in nodes and nodes:
            redis.hdel(live.replicas_key(entity_id), replica.replica_id)
            redis.publish(live.CHANNEL, live.replicas_key(entity_id))
    return any(replica.node in nodes for replica in found)


def is_on_its_way(entity: ServedEntity, nodes: Mapping[str, Node]) -> bool:
    """Whether a node that still lives was asked for a replica a moment ago."""
    if entity.start_sent_at is None or timezone.now() - entity.start_sent_at > START_AGAIN:
        return False
    return entity.start_sent_to in {node.address for node in nodes.values()}


def start(entity: ServedEntity, runtime: live.Runtime, nodes: Mapping[str, Node]) -> bool:
    """Ask a node for a replica; False when there is no node. The row remembers whom and when."""
    if not nodes:
        return False
    try:
        environment = sealed(entity)
    except ApiError as error:  # a secret that it refers to is gone
        redis_client().set(live.failure_key(entity.id), json.dumps({"message": error.message}))
        return False
    node = _choose(nodes)
    spec = ReplicaSpec(
        entity_id=entity.id,
        runtime=entity.runtime or runtime,
        model_path=str(settings.MODEL_DIR / entity.model_sha256),
        model_sha256=entity.model_sha256,
        served_name=entity.name,
        environment=environment,
    )
    redis_client().delete(live.failure_key(entity.id))
    _send(NODE_START, spec.to_dict(), node.name, expires=START_EXPIRES_S)
    entity.start_sent_at, entity.start_sent_to = timezone.now(), node.address
    ServedEntity.objects.filter(id=entity.id).update(start_sent_at=entity.start_sent_at, start_sent_to=entity.start_sent_to)
    return True


def stop(entity_id: str, start_sent_to: str = "") -> None:
    """Stop the entity's replicas wherever they are, also one that is only on its way."""
    redis = redis_client()
    names = {replica.node for replica in live.replicas(redis, entity_id)}
    if start_sent_to:
        names.add(start_sent_to.partition("/")[0])
    for name in sorted(names):
        _send(NODE_STOP, entity_id, name)


def forget(entity_ids: Iterable[str]) -> None:
    """Drop what Redis keeps of entities that are gone for good (their replicas strike themselves off)."""
    keys = [key for entity_id in entity_ids for key in (live.failure_key(entity_id), live.idle_key(entity_id))]
    if keys:
        redis_client().delete(*keys)


def _choose(nodes: Mapping[str, Node]) -> Node:
    """The node that was given the fewest entities; one node needs no counting."""
    if len(nodes) == 1:
        return next(iter(nodes.values()))
    load = {
        node: ServedEntity.objects.filter(Q(start_sent_to=node.address), config__retired_at=None, is_at_zero=False).count()
        for node in nodes.values()
    }
    least = min(load.values())
    return secrets.choice([node for node, count in load.items() if count == least])


def _send(task: str, argument: Any, node: str, expires: float | None = None) -> None:
    """Straight to the node's list: no exchange to look up, and no long retries while Redis is away.

    (An empty `exchange` would not do: Celery takes it for none given and sends to its default queue.)
    """
    target: Any = Queue(node_queue(node), no_declare=True)  # a queue object is allowed; the type stubs know only names
    current_app.send_task(task, args=(argument,), queue=target, retry=False, expires=expires)
