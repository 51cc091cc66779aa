"""The short steps that both a config on its way in and the active one take with a served entity."""

from django.db import transaction
from django.utils import timezone

from sandbox.serving import compute, events, nodes, rebalancing, snapshot
from sandbox.serving.models import Deployment, Endpoint, ServedEntity


def runtime_of(endpoint: Endpoint, entity: ServedEntity) -> str:
    """What its build says that it needs, else what its kind of endpoint does."""
    return entity.runtime or snapshot.RUNTIMES[endpoint.kind]


def to_wake(entity: ServedEntity) -> int:
    """How many replicas to start for an entity that nobody serves; the row may still say that none is wanted."""
    return max(1, compute.wanted_replicas(entity))


def keep_running(endpoint: Endpoint, entity: ServedEntity, there: int, living: nodes.Nodes) -> int:
    """Ask for what the entity should have and does not; returns how many replicas there is room for."""
    runtime, wanted = runtime_of(endpoint, entity), compute.wanted_replicas(entity) + rebalancing.beyond(entity.id)
    placed = nodes.keep_running(entity, runtime, wanted, living)
    if there != placed and not nodes.is_on_its_way(entity, living):
        nodes.keep_running(entity, runtime, wanted, living, again=True)
    return placed


def move(entity: ServedEntity, to: Deployment, message: str = "") -> None:
    """Change the entity's state if it is still what was read; exactly one caller writes the event."""
    if entity.deployment == to:
        return
    with transaction.atomic():
        moved = ServedEntity.objects.filter(id=entity.id, deployment=entity.deployment).update(
            deployment=to, deployment_state_message=message, state_changed_at=timezone.now()
        )
        if moved:
            events.of_entity(entity, to, message)
    if moved:
        entity.deployment, entity.deployment_state_message = to, message
    else:
        entity.refresh_from_db(fields=["deployment", "deployment_state_message"])


def say(entity: ServedEntity, message: str) -> None:
    """Keep the sentence beside the state up to date; not an event."""
    if entity.deployment_state_message != message:
        ServedEntity.objects.filter(id=entity.id, deployment=entity.deployment).update(deployment_state_message=message)
        entity.deployment_state_message = message
