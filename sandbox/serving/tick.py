"""What the control plane looks at each second, whatever messages were lost."""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet

from sandbox import live, metrics
from sandbox.connections import redis_client
from sandbox.serving import compute, nodes, rollout, scaling, sweep
from sandbox.serving.models import ConfigUpdate, Deployment, Endpoint, EndpointKind, ServedEntity
from sandbox.workspaces import clock

log = logging.getLogger(__name__)


def tick() -> None:
    """Safe to run twice at once. (That the worker lives is told by its own heartbeat, not by this.)"""
    sweep.sweep_if_redis_is_new()
    _each(rollout.reconcile, sorted(set(unfinished()) | set(unhealthy()) | set(rescaled())))
    _each(rollout.scale_to_zero, idle())


def unfinished() -> Iterable[str]:
    """Endpoints that roll out, or of which gateways have yet to be told."""
    return Endpoint.objects.filter(Q(config_update=ConfigUpdate.IN_PROGRESS) | Q(published_version=None)).values_list(
        "id", flat=True
    )


def unhealthy() -> Iterable[str]:
    """Endpoints of which an entity has another number of replicas than it should, or whose row does not say how it is."""
    wanted = list(_with_replica_wanted())
    living = nodes.living_nodes()
    return {
        entity.config.endpoint_id
        for entity, there in zip(wanted, _replicas_there(wanted, living), strict=True)
        if not (_is_well(entity, there) if there else entity.deployment == Deployment.FAILED)
    }


def _is_well(entity: ServedEntity, there: int) -> bool:
    if entity.deployment != Deployment.READY or entity.start_sent_at is not None:
        return False
    placed: int = sum(entity.placement.values())
    return there == placed == compute.wanted_replicas(entity)


def rescaled() -> list[str]:
    """Endpoints of which an entity asks for another number of replicas than a second ago.

    Only what is called, or was scaled up, is looked at; an entity whose size has but one number never is.
    """
    redis = redis_client()
    chosen = Q(id__in=metrics.active(redis)) | Q(window_started_at__isnull=False)
    rows = _with_replica_wanted().filter(chosen, deployment=Deployment.READY).select_related("config__endpoint__workspace")
    entities = [entity for entity in rows if not compute.range_of(entity).is_fixed]
    if not entities:
        return []
    loads = metrics.loads(redis, [entity.id for entity in entities])
    return [entity.config.endpoint_id for entity in entities if scaling.rescale(entity, loads[entity.id])]


def idle() -> list[ServedEntity]:
    """Entities that nobody called for the idle time, by the clock of their workspace."""
    candidates = list(
        _with_replica_wanted()
        .filter(scale_to_zero_enabled=True, deployment=Deployment.READY, start_sent_at=None)
        .select_related("config__endpoint__workspace")
    )
    if not candidates:
        return []
    times = redis_client().mget([live.idle_key(entity.id) for entity in candidates])
    return [entity for entity, last in zip(candidates, times, strict=True) if _is_idle(entity, last)]


def _is_idle(entity: ServedEntity, last_invocation: bytes | None) -> bool:
    """Idle since its last invocation, or since it became ready when that is later."""
    since = entity.state_changed_at
    if last_invocation:
        since = max(since, datetime.fromtimestamp(float(last_invocation), tz=UTC))
    return clock.elapsed_s(entity.config.endpoint.workspace, since) >= settings.SCALE_TO_ZERO_IDLE_S


def _with_replica_wanted() -> QuerySet[ServedEntity]:
    return (
        ServedEntity.objects.filter(is_at_zero=False, config__config_version=F("config__endpoint__active_version"))
        .exclude(config__endpoint__kind=EndpointKind.EXTERNAL)
        .select_related("config")
    )


def _replicas_there(entities: list[ServedEntity], living: nodes.Nodes) -> list[int]:
    """For each entity how many replicas take requests on nodes that live; one round trip."""
    pipe = redis_client().pipeline(transaction=False)
    for entity in entities:
        pipe.hvals(live.replicas_key(entity.id))
    found = [[live.LiveReplica.from_json(value) for value in values] for values in pipe.execute()]
    return [sum(r.node in living and not r.draining for r in replicas) for replicas in found]


def _each(do: Callable[[Any], None], things: Iterable[Any]) -> None:
    """One that fails does not keep the others waiting."""
    for thing in things:
        try:
            do(thing)
        except Exception:
            log.exception("%s(%s) failed; the next tick tries again", do.__name__, thing)
