"""What the control plane looks at each second, whatever messages were lost."""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet

from sandbox import live
from sandbox.connections import redis_client
from sandbox.serving import nodes, rollout, sweep
from sandbox.serving.models import ConfigUpdate, Deployment, Endpoint, EndpointKind, ServedEntity
from sandbox.workspaces import clock

log = logging.getLogger(__name__)


def tick() -> None:
    """Safe to run twice at once. (That the worker lives is told by its own heartbeat, not by this.)"""
    sweep.sweep_if_redis_is_new()
    _each(rollout.reconcile, sorted(set(unfinished()) | set(unhealthy())))
    _each(rollout.scale_to_zero, idle())


def unfinished() -> Iterable[str]:
    """Endpoints that roll out, or of which gateways have yet to be told."""
    return Endpoint.objects.filter(Q(config_update=ConfigUpdate.IN_PROGRESS) | Q(published_version=None)).values_list(
        "id", flat=True
    )


def unhealthy() -> Iterable[str]:
    """Endpoints of which an entity lacks its replica, or has one and its row does not say so."""
    wanted = list(_with_replica_wanted())
    living = nodes.living_nodes()
    return {
        entity.config.endpoint_id
        for entity, is_there in zip(wanted, _have_replica(wanted, living), strict=True)
        if not (_is_noted(entity) if is_there else entity.deployment == Deployment.FAILED)
    }


def _is_noted(entity: ServedEntity) -> bool:
    return entity.deployment == Deployment.READY and entity.start_sent_at is None


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


def _have_replica(entities: list[ServedEntity], living: rollout.Nodes) -> list[bool]:
    """For each entity whether a node that lives holds a replica of it; one round trip."""
    pipe = redis_client().pipeline(transaction=False)
    for entity in entities:
        pipe.hvals(live.replicas_key(entity.id))
    found = [[live.LiveReplica.from_json(value) for value in values] for values in pipe.execute()]
    return [any(r.node in living and not r.draining for r in replicas) for replicas in found]


def _each(do: Callable[[Any], None], things: Iterable[Any]) -> None:
    """One that fails does not keep the others waiting."""
    for thing in things:
        try:
            do(thing)
        except Exception:
            log.exception("%s(%s) failed; the next tick tries again", do.__name__, thing)
