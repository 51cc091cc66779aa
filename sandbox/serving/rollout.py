"""The reconciler: brings an endpoint one step nearer to what its rows ask for, and may be called at any time, twice at once.

Every change of state is a guarded UPDATE whose row count decides who made it; every message to a node or a gateway may
be sent again without harm. So a process that dies between two lines leaves nothing that the next call cannot go on from.

Nothing here waits. A build that ends, a replica that is ready or gone, and a tick each second call again.
"""

import logging
from datetime import timedelta

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.utils import timezone

from sandbox import live
from sandbox.connections import redis_client
from sandbox.serving import compute, config_rollout, events, nodes, rebalancing, snapshot
from sandbox.serving.entity_steps import keep_running, move, runtime_of, say, to_wake
from sandbox.serving.models import ConfigUpdate, Deployment, Endpoint, EndpointConfig, EndpointKind, ServedEntity

log = logging.getLogger(__name__)

WAKE_AGAIN = timedelta(seconds=2)
SCALED_TO_ZERO_MESSAGE = "Scaled to zero"


def reconcile(endpoint_id: str) -> None:
    """Do the next short steps of one endpoint: its rollout, the health of what it serves, the end of what it served."""
    try:
        _do_next_steps(endpoint_id)
    except (IntegrityError, ObjectDoesNotExist):
        if _load(endpoint_id) is not None:
            raise
        log.info("endpoint %s was deleted meanwhile", endpoint_id)


def _do_next_steps(endpoint_id: str) -> None:
    endpoint = _load(endpoint_id)
    living = nodes.living_nodes()
    if endpoint is not None and endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        config_rollout.roll_out(endpoint, living)
        endpoint = _load(endpoint_id)
    if endpoint is not None:
        keep_serving(endpoint, living)
        settle(endpoint)


def wake(entity_id: str) -> None:
    """An invocation waits for a replica of this entity: ask a node at once, write things down afterwards."""
    entity = ServedEntity.objects.select_related("config__endpoint").filter(id=entity_id).first()
    if entity is None or entity.config.config_version != entity.config.endpoint.active_version:
        return
    asked = entity.start_sent_at
    if not entity.is_at_zero and asked is not None and timezone.now() - asked < WAKE_AGAIN:
        return
    living = nodes.living_nodes()
    if nodes.has_replica(entity.id, living) or live.failure(redis_client(), entity.id):
        return
    nodes.keep_running(entity, runtime_of(entity.config.endpoint, entity), to_wake(entity), living, again=not entity.is_at_zero)
    if ServedEntity.objects.filter(id=entity.id, is_at_zero=True).update(
        is_at_zero=False, deployment_state_message="", state_changed_at=timezone.now()
    ):
        events.of_entity(entity, events.SCALED_FROM_ZERO, "An invocation asked for a replica.")


def replica_changed(entity_id: str) -> None:
    """A node reports that a replica of the entity is ready, gone or has failed."""
    entity = ServedEntity.objects.select_related("config").filter(id=entity_id).first()
    if entity is None or entity.config.retired_at is not None:
        nodes.stop(entity_id)  # it came up after the last need for it had gone
        return
    if not nodes.has_replica(entity_id, nodes.living_nodes()):
        # what was asked for has come and gone; what was asked for just now is still to come, and this is its predecessor's end
        asked_long_ago = ServedEntity.objects.filter(id=entity_id, start_sent_at__lt=timezone.now() - WAKE_AGAIN)
        asked_long_ago.update(start_sent_at=None)
    reconcile(entity.config.endpoint_id)


# --- the active config -------------------------------------------------------------------------


def keep_serving(endpoint: Endpoint, living: nodes.Nodes) -> None:
    """Give each entity of the active config the replica it should have, and write down how it is."""
    if endpoint.active_version is None or endpoint.kind == EndpointKind.EXTERNAL:
        return
    active = ServedEntity.objects.select_related("config").filter(
        config__endpoint=endpoint, config__config_version=endpoint.active_version
    )
    for entity in active:
        if not entity.is_at_zero:
            _keep_entity(endpoint, entity, living)


def _keep_entity(endpoint: Endpoint, entity: ServedEntity, living: nodes.Nodes) -> None:
    """One replica is enough to be READY; those that lack are asked for, those that are too many are stopped.

    A node starts a replica that died by itself; if that node is gone too, another one does.
    """
    running = nodes.running(entity.id, living)
    there = len(running)
    if there:
        message = compute.state_message(entity, living, running)
        move(entity, Deployment.READY, message)
        say(entity, message)
    elif reason := live.failure(redis_client(), entity.id):
        move(entity, Deployment.FAILED, reason)
        return
    elif entity.deployment == Deployment.READY and entity.start_sent_at is None:  # else it was woken from zero: nothing is lost
        move(entity, Deployment.RECOVERING, "The replica is gone; another one is starting.")
    if there == keep_running(endpoint, entity, there, living) > 0:
        _note_arrival(entity)
        if rebalancing.arrived(entity.id):
            keep_running(endpoint, entity, there, living)  # its predecessor drains


def _note_arrival(entity: ServedEntity) -> None:
    """The replicas that were asked for are there: should they vanish, that is a loss."""
    if entity.start_sent_at is not None:
        ServedEntity.objects.filter(id=entity.id, start_sent_at=entity.start_sent_at).update(start_sent_at=None)


def scale_to_zero(entity: ServedEntity) -> None:
    """Give up the replicas of an idle entity. The row goes first, so that nobody starts it again meanwhile."""
    with transaction.atomic():
        moved = ServedEntity.objects.filter(id=entity.id, is_at_zero=False, deployment=Deployment.READY).update(
            is_at_zero=True,
            deployment_state_message=SCALED_TO_ZERO_MESSAGE,
            start_sent_at=None,
            placement={},
            asked_replicas=0,
            window_replicas=0,
            window_started_at=None,
        )
        if moved:
            events.of_entity(entity, events.SCALED_TO_ZERO, "No invocation for the idle time of scale-to-zero.")
    nodes.stop(entity.id, entity.placement)


# --- afterwards --------------------------------------------------------------------------------


def settle(endpoint: Endpoint) -> None:
    """Tell gateways what is active, then stop what is not: in this order, so that no request meets a stopped replica."""
    if endpoint.published_version is not None:
        return
    snapshot.sync(endpoint.workspace_id, endpoint.name)
    for config in _replaced_configs(endpoint):
        for entity_id, placement in config.entities.values_list("id", "placement"):
            nodes.stop(entity_id, placement)
        EndpointConfig.objects.filter(id=config.id).update(retired_at=timezone.now())
    Endpoint.objects.filter(
        id=endpoint.id,
        active_version=endpoint.active_version,
        pending_version=endpoint.pending_version,
        config_update=endpoint.config_update,
        updated_at=endpoint.updated_at,
    ).update(published_version=endpoint.active_version or 0)


def _replaced_configs(endpoint: Endpoint) -> list[EndpointConfig]:
    """Configs whose replicas nobody needs any more; newer ones than this reader knows of are none of its business."""
    needed = [endpoint.active_version]
    if endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        needed.append(endpoint.pending_version)
    kept = [version for version in needed if version is not None]
    old = endpoint.configs.filter(retired_at=None, config_version__lte=endpoint.latest_version)
    return list(old.exclude(config_version__in=kept))


def _load(endpoint_id: str) -> Endpoint | None:
    return Endpoint.objects.select_related("workspace").filter(id=endpoint_id).first()
