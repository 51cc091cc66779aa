"""Asks nodes to run replicas, and knows which replicas can be counted on."""

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from kombu import Queue

from sandbox import live
from sandbox.builds import store
from sandbox.connections import redis_client
from sandbox.errors import ApiError
from sandbox.replicas.messages import NODE_START, NODE_STOP, NODES_KEY, ReplicaSpec, model_key, node_queue
from sandbox.serving.entity_environment import sealed
from sandbox.serving.models import ServedEntity
from sandbox.serving.placement import Need, Room, better_place, need_of, spread

log = logging.getLogger(__name__)
NODE_DEAD_S = 6.0
"""A node renews its heartbeat each second. One that is only restarted strikes off its former replicas itself."""
START_AGAIN = timedelta(seconds=10)
"""A node that has not answered by then is asked again; starting what runs already does nothing."""
START_EXPIRES_S = 30
MODEL_ON_ITS_WAY_S = 120
GIB = 1024**3
MEMORY_LIMITS = {"CPU_MEDIUM": 8 * GIB, "CPU_LARGE": 16 * GIB}
"""By workload type; 4 GB for all others [model-serving-limits page]."""


@dataclass(frozen=True)
class Node:
    """A node that lives. Its incarnation changes with each start of the process."""

    name: str
    incarnation: str
    memory_bytes: int = 0
    """For replicas; 0 when it did not say."""
    cuda_bytes: int = 0
    """Memory of all its CUDA devices; 0 without one."""

    @property
    def address(self) -> str:
        return f"{self.name}/{self.incarnation}"


Nodes = Mapping[str, Node]
"""By name."""


def living_nodes() -> dict[str, Node]:
    """By name, those whose heartbeat is fresh (the hosts' clocks agree to within a second or two)."""
    now = time.time()
    records = {name.decode(): json.loads(value) for name, value in redis_client().hgetall(NODES_KEY).items()}
    return {
        name: Node(
            name,
            str(record.get("incarnation", "")),
            int(record.get("memory_bytes", 0)),
            sum(device["memory_bytes"] for device in record.get("cuda", [])),
        )
        for name, record in records.items()
        if now - float(record["heartbeat_s"]) < NODE_DEAD_S
    }


def has_cuda(nodes: Nodes) -> bool:
    return any(node.cuda_bytes for node in nodes.values())


def running(entity_id: str, nodes: Nodes) -> list[live.LiveReplica]:
    """The replicas that take requests. Those of a dead node are struck off, so that gateways stop asking them."""
    redis = redis_client()
    found = live.replicas(redis, entity_id)
    if nodes:
        for replica in found:
            if replica.node not in nodes:
                _strike_off(redis, entity_id, replica)
    return [replica for replica in found if replica.node in nodes]


def has_replica(entity_id: str, nodes: Nodes) -> bool:
    return bool(running(entity_id, nodes))


def is_on_its_way(entity: ServedEntity, nodes: Nodes) -> bool:
    """Whether nodes that still live were asked for replicas a moment ago."""
    if entity.start_sent_at is None or timezone.now() - entity.start_sent_at > START_AGAIN:
        return False
    living = {node.address for node in nodes.values()}
    return bool(entity.placement) and living.issuperset(entity.placement)


def keep_running(entity: ServedEntity, runtime: str, count: int, nodes: Nodes, *, again: bool = False) -> int:
    """Ask nodes to run `count` replicas between them; returns how many there is room for. The row remembers whom and when.

    Nodes whose number stays are asked only when `again` is set; then every node is, and one that should have none stops what
    two processes that chose differently at the same moment have started. Needs `entity.config` for its endpoint.
    """
    need = need_of(runtime, _file_bytes(entity.model_sha256), is_gpu=is_gpu(entity))
    here = {address: number for address, number in entity.placement.items() if address in {n.address for n in nodes.values()}}
    ready = _ready(entity, nodes) if sum(here.values()) > count else None
    goal = spread(count, need, _rooms(entity, nodes), here, ready)
    if goal != entity.placement or again:
        asked = [node for node in nodes.values() if again or goal.get(node.address, 0) != here.get(node.address, 0)]
        try:
            _ask(entity, runtime, {node: goal.get(node.address, 0) for node in asked}, device=_device(need, nodes))
        except ApiError as error:  # a secret that an environment variable refers to is gone
            redis_client().set(live.failure_key(entity.id), json.dumps({"message": error.message}))
            return 0
        _remember(entity, goal)
    return sum(goal.values())


def to_be_moved(entities: Sequence[ServedEntity], nodes: Nodes) -> tuple[ServedEntity, str, str] | None:
    """The first entity with a replica that would be better off elsewhere, and the names of the two nodes."""
    taken = _taken(_wanted(), nodes)
    for entity in entities:
        need = need_of(entity.runtime or "onnx", _file_bytes(entity.model_sha256), is_gpu=is_gpu(entity))
        without = _taken([entity], nodes)
        rooms = _rooms_beside({address: taken[address] - without[address] for address in taken}, nodes)
        if move := better_place(need, rooms, entity.placement):
            source, to = (address.partition("/")[0] for address in move)
            return entity, source, to
    return None


def stop(entity_id: str, placement: Mapping[str, int] | None = None) -> None:
    """Stop the entity's replicas wherever they are, also those on their way: to `placement`, or None for not known."""
    asked = set(living_nodes()) if placement is None else {address.partition("/")[0] for address in placement}
    names = {replica.node for replica in live.replicas(redis_client(), entity_id)} | asked
    for name in sorted(names):
        _send(NODE_STOP, entity_id, name)


def forget(entity_ids: Iterable[str]) -> None:
    """Drop what Redis keeps of entities that are gone for good (their replicas strike themselves off)."""
    keys = [key for entity_id in entity_ids for key in (live.failure_key(entity_id), live.idle_key(entity_id))]
    if keys:
        redis_client().delete(*keys)


def send_model(sha256: str) -> None:
    """Put a model file into Redis for a node on another host; it is taken away again after two minutes."""
    try:
        content = store.read(settings.MODEL_DIR / sha256, sha256)
    except store.ModelFileDamaged as error:
        log.warning("a node asked for a model: %s", error)
        content = b""
    redis_client().set(model_key(sha256), content, ex=MODEL_ON_ITS_WAY_S)


def is_gpu(entity: ServedEntity) -> bool:
    return "GPU" in entity.workload_type


# --- leaves ------------------------------------------------------------------------------------


def _strike_off(redis: Any, entity_id: str, replica: live.LiveReplica) -> None:
    """Its queue goes too: gateways send again what was in it."""
    pipe = redis.pipeline(transaction=True)
    pipe.hdel(live.replicas_key(entity_id), replica.replica_id)
    pipe.delete(replica.queue)
    pipe.publish(live.CHANNEL, live.replicas_key(entity_id))
    pipe.execute()


@dataclass(frozen=True)
class _Load:
    """What replicas take on one node."""

    memory_bytes: int = 0
    replicas: int = 0

    def __sub__(self, other: "_Load") -> "_Load":
        return _Load(self.memory_bytes - other.memory_bytes, self.replicas - other.replicas)


def _rooms(entity: ServedEntity, nodes: Nodes) -> list[Room]:
    return _rooms_beside(_taken(_wanted().exclude(id=entity.id), nodes), nodes)


def _rooms_beside(taken: Mapping[str, _Load], nodes: Nodes) -> list[Room]:
    """What each node has left; a node that did not announce its memory is not limited."""
    return [
        Room(
            node.address,
            (node.memory_bytes or 1 << 60) - taken[node.address].memory_bytes,
            taken[node.address].replicas,
            max(0, node.cuda_bytes - taken[node.address].memory_bytes) if node.cuda_bytes else 0,
        )
        for node in nodes.values()
    ]


def _taken(entities: Iterable[ServedEntity], nodes: Nodes) -> dict[str, _Load]:
    """By the address of a node that lives: what was placed there."""
    taken = {node.address: _Load() for node in nodes.values()}
    for entity in entities:
        need = need_of(entity.runtime or "onnx", _file_bytes(entity.model_sha256), is_gpu=False)
        for address, number in entity.placement.items():
            if address in taken:
                before = taken[address]
                taken[address] = _Load(before.memory_bytes + number * need.memory_bytes, before.replicas + number)
    return taken


def _wanted() -> QuerySet[ServedEntity]:
    wanted = ServedEntity.objects.filter(config__retired_at=None, is_at_zero=False).exclude(placement={})
    return wanted.only("model_sha256", "placement", "runtime")


def _ready(entity: ServedEntity, nodes: Nodes) -> Mapping[str, int]:
    """By address: how many of its replicas take requests."""
    return Counter(nodes[replica.node].address for replica in running(entity.id, nodes))


def _file_bytes(sha256: str) -> int:
    try:
        return int((settings.MODEL_DIR / sha256).stat().st_size) if sha256 else 0
    except OSError:
        return 0


def _device(need: Need, nodes: Nodes) -> str:
    return "cuda" if need.wants_cuda and has_cuda(nodes) else "cpu"


def _ask(entity: ServedEntity, runtime: str, counts: Mapping[Node, int], *, device: str) -> None:
    environment = sealed(entity)
    redis_client().delete(live.failure_key(entity.id))
    for node, count in counts.items():
        if not count:
            _send(NODE_STOP, entity.id, node.name)
            continue
        spec = ReplicaSpec(
            entity_id=entity.id,
            runtime=runtime,
            model_path=str(settings.MODEL_DIR / entity.model_sha256),
            model_sha256=entity.model_sha256,
            served_name=entity.name,
            environment=environment,
            endpoint_id=entity.config.endpoint_id,
            replicas=count,
            device=device,
            memory_limit_bytes=MEMORY_LIMITS.get(entity.workload_type, 4 * GIB),
            lookups=entity.lookups or {},
        )
        _send(NODE_START, spec.to_dict(), node.name, expires=START_EXPIRES_S)


def _remember(entity: ServedEntity, placement: dict[str, int]) -> None:
    entity.placement, entity.start_sent_at = placement, timezone.now() if placement else None
    ServedEntity.objects.filter(id=entity.id).update(placement=placement, start_sent_at=entity.start_sent_at)


def _send(task: str, argument: Any, node: str, expires: float | None = None) -> None:
    """Straight to the node's list: no exchange to look up, and no long retries while Redis is away.

    (An empty `exchange` would not do: Celery takes it for none given and sends to its default queue.)
    """
    target: Any = Queue(node_queue(node), no_declare=True)  # a queue object is allowed; the type stubs know only names
    current_app.send_task(task, args=(argument,), queue=target, retry=False, expires=expires)
