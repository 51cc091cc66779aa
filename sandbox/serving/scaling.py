"""Applies the autoscaler's rules to served entities: reads their load, writes down what they ask for, tells the reconciler."""

from datetime import UTC, datetime

from django.utils import timezone

from sandbox.measures import Load
from sandbox.serving import compute, events
from sandbox.serving.autoscaling import CONCURRENCY_PER_REPLICA, Plan, decide, replicas_needed
from sandbox.serving.models import ServedEntity
from sandbox.workspaces import clock


def rescale(entity: ServedEntity, load: Load) -> bool:
    """Decide for one entity; True when it asks for another number of replicas from now on.

    Needs `entity.config.endpoint.workspace`. Safe to run twice at once: one of the two writes.
    """
    allowed = compute.range_of(entity)
    asked = compute.asked_replicas(entity)
    plan = decide(asked, replicas_needed(load.concurrency, allowed), entity.window_replicas, _window_age_s(entity), allowed)
    window_started_at = _window_start(entity, plan)
    unchanged = (entity.asked_replicas, entity.window_replicas, entity.window_started_at)
    if unchanged == (plan.replicas, plan.window_replicas, window_started_at):
        return False
    written = ServedEntity.objects.filter(id=entity.id, asked_replicas=entity.asked_replicas, is_at_zero=False).update(
        asked_replicas=plan.replicas, window_replicas=plan.window_replicas, window_started_at=window_started_at
    )
    if not written or plan.replicas == asked:
        return False
    _tell(entity, asked, plan.replicas, load)
    return True


def idle_s(entity: ServedEntity, last_invocation_s: float | None) -> float:
    """Seconds of the workspace's time since the last invocation, or since the entity became ready when that is later.

    `last_invocation_s` is seconds since the epoch, None when nobody has called it. Needs `entity.config.endpoint.workspace`.
    """
    since = entity.state_changed_at
    if last_invocation_s is not None:
        since = max(since, datetime.fromtimestamp(last_invocation_s, tz=UTC))
    return clock.elapsed_s(entity.config.endpoint.workspace, since)


def _window_age_s(entity: ServedEntity) -> float | None:
    if entity.window_started_at is None:
        return None
    return clock.elapsed_s(entity.config.endpoint.workspace, entity.window_started_at)


def _window_start(entity: ServedEntity, plan: Plan) -> datetime | None:
    if plan.starts_window:
        return timezone.now()
    return entity.window_started_at if plan.window_replicas else None


def _tell(entity: ServedEntity, before: int, now: int, load: Load) -> None:
    was, is_ = before * CONCURRENCY_PER_REPLICA, now * CONCURRENCY_PER_REPLICA
    if now > before:
        message = f"Provisioned concurrency {was} → {is_}: {load.concurrency:.0f} requests at the same time."
        events.of_entity(entity, events.SCALED_UP, message)
    else:
        message = f"Provisioned concurrency {was} → {is_}: less was needed for five minutes."
        events.of_entity(entity, events.SCALED_DOWN, message)
