"""What the control plane looks at each second, whatever messages were lost."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from sandbox import live, metrics
from sandbox.connections import redis_client
from sandbox.serving import compute, nodes, rebalancing, rollout, scaling, sweep
from sandbox.serving.models import ConfigUpdate, Deployment, Endpoint, EndpointKind, ServedEntity

log = logging.getLogger(__name__)


def tick() -> None:
    """Safe to run twice at once. (That the worker lives is told by its own heartbeat, not by this.)"""
    sweep.sweep_if_redis_is_new()
    _each(rollout.reconcile, sorted(set(unfinished()) | set(unhealthy()) | set(rescaled())))
    _each(rollout.reconcile, rebalancing.begin())
    _each(rollout.scale_to_zero, idle())


def unfinished() -> Iterable[str]:
    """Endpoints that roll out, or of which gateways have yet to be told."""
    return Endpoint.objects.filter(Q(config_update=ConfigUpdate.IN_PROGRESS) | Q(published_version=None)).values_list(
        "id", flat=True
    )


def unhealthy() -> Iterable[str]:
    """Endpoints of which an entity has another number of replicas than was asked for, or whose row does not say how it is.

    Looks at every entity that is not at zero, so it reads the five columns that it needs and nothing more.
    """
    columns = ("id", "config__endpoint_id", "deployment", "start_sent_at", "placement")
    rows = list(_with_replica_wanted().values_list(*columns))
    there = _replicas_there([row[0] for row in rows], nodes.living_nodes())
    return {
        endpoint_id
        for (_, endpoint_id, deployment, start_sent_at, placement), count in zip(rows, there, strict=True)
        if not (
            deployment == Deployment.READY and start_sent_at is None and count == sum(placement.values())
            if count
            else deployment == Deployment.FAILED
        )
    }


def rescaled() -> list[str]:
    """Endpoints of which an entity asks for another number of replicas than it was given.

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
    candidates = _with_replica_wanted().filter(scale_to_zero_enabled=True, deployment=Deployment.READY, start_sent_at=None)
    factor = "config__endpoint__workspace__clock_factor"
    rows = list(candidates.values_list("id", "state_changed_at", factor))
    if not rows:
        return []
    times = redis_client().mget([live.idle_key(row[0]) for row in rows])
    called_s = {row[0]: float(time) if time else None for row, time in zip(rows, times, strict=True)}
    perhaps = [entity_id for entity_id, changed, factor in rows if _may_be_idle(changed, called_s[entity_id], factor)]
    found = candidates.filter(id__in=perhaps).select_related("config__endpoint__workspace") if perhaps else []
    return [entity for entity in found if scaling.idle_s(entity, called_s[entity.id]) >= settings.SCALE_TO_ZERO_IDLE_S]


def _may_be_idle(changed: datetime, called_s: float | None, factor: float) -> bool:
    """Whether the idle time can have passed: a workspace's clock runs no faster than its factor, or than real time."""
    real_s = timezone.now().timestamp() - max(changed.timestamp(), called_s or 0.0)
    return real_s * max(1.0, factor) >= settings.SCALE_TO_ZERO_IDLE_S


def _with_replica_wanted() -> QuerySet[ServedEntity]:
    return (
        ServedEntity.objects.filter(is_at_zero=False, config__config_version=F("config__endpoint__active_version"))
        .exclude(config__endpoint__kind=EndpointKind.EXTERNAL)
        .select_related("config")
    )


def _replicas_there(entity_ids: list[str], living: nodes.Nodes) -> list[int]:
    """For each entity how many replicas take requests on nodes that live; one round trip."""
    pipe = redis_client().pipeline(transaction=False)
    for entity_id in entity_ids:
        pipe.hvals(live.replicas_key(entity_id))
    found = [[live.LiveReplica.from_json(value) for value in values] for values in pipe.execute()]
    return [sum(r.node in living and not r.draining for r in replicas) for replicas in found]


def _each(do: Callable[[Any], None], things: Iterable[Any]) -> None:
    """One that fails does not keep the others waiting."""
    for thing in things:
        try:
            do(thing)
        except Exception:
            log.exception("%s(%s) failed; the next tick tries again", do.__name__, thing)
