"""What a served entity's size and workload type mean here: replicas, provisioned concurrency, and what is only emulated."""

from collections.abc import Sequence

from django.conf import settings

from sandbox.live import LiveReplica
from sandbox.serving.autoscaling import CONCURRENCY_PER_REPLICA, Range, replica_range
from sandbox.serving.models import ServedEntity
from sandbox.serving.nodes import Nodes, has_cuda, is_gpu

EMULATED_GPU = "{workload_type}: emulated, no CUDA device on any node; it runs on the CPU."
GPU_NOT_USED = "{workload_type}: a node has a CUDA device, but the model's process could not use it; it runs on the CPU."
CAPPED = (
    "{asked} replicas (provisioned concurrency {concurrency}) are asked for; this site runs at most {most} of one served entity."
)


def range_of(entity: ServedEntity) -> Range:
    return replica_range(
        entity.workload_size,
        entity.min_provisioned_concurrency,
        entity.max_provisioned_concurrency,
        scale_to_zero=entity.scale_to_zero_enabled,
    )


def asked_replicas(entity: ServedEntity) -> int:
    """How many replicas the real thing would run now; 0 at zero."""
    if entity.is_at_zero:
        return 0
    allowed = range_of(entity)
    return min(max(entity.asked_replicas, allowed.lowest), allowed.highest)


def wanted_replicas(entity: ServedEntity) -> int:
    """How many of them this site is to run: settings.REPLICAS_PER_ENTITY_MAX at most."""
    return min(asked_replicas(entity), settings.REPLICAS_PER_ENTITY_MAX)


def provisioned_concurrency(entity: ServedEntity) -> int:
    """The documented unit of size: how many requests at the same time the entity is provisioned for now."""
    return asked_replicas(entity) * CONCURRENCY_PER_REPLICA


def is_emulated(entity: ServedEntity, nodes: Nodes) -> bool:
    """Whether a GPU type runs on the CPU because no node has a CUDA device."""
    return is_gpu(entity) and not has_cuda(nodes)


def state_message(entity: ServedEntity, nodes: Nodes, running: Sequence[LiveReplica]) -> str:
    """What to say beside READY: what is wrong with its features, and where this site differs from what was asked for."""
    sentences = [entity.lookups_message] if entity.lookups_message else []
    if is_emulated(entity, nodes):
        sentences.append(EMULATED_GPU.format(workload_type=entity.workload_type))
    elif is_gpu(entity) and all(replica.device == "cpu" for replica in running):
        sentences.append(GPU_NOT_USED.format(workload_type=entity.workload_type))
    if (asked := asked_replicas(entity)) > settings.REPLICAS_PER_ENTITY_MAX:
        concurrency = asked * CONCURRENCY_PER_REPLICA
        sentences.append(CAPPED.format(asked=asked, concurrency=concurrency, most=settings.REPLICAS_PER_ENTITY_MAX))
    return " ".join(sentences)
