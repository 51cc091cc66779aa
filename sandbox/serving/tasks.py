"""Celery entry points of the control plane (queue `control`) and their schedule."""

from typing import Any

from celery import shared_task

from sandbox.replicas.messages import CONTROL_REPLICA_CHANGED, CONTROL_SEND_MODEL, CONTROL_WAKE
from sandbox.serving import control_queue, events, model_builds, nodes, notifications, rollout, sweep, telemetry_export, tick


@shared_task(name=control_queue.RECONCILE)
def reconcile(endpoint_id: str) -> None:
    rollout.reconcile(endpoint_id)


@shared_task(name=control_queue.BUILD)
def build(build_id: str) -> None:
    for endpoint_id in model_builds.run(build_id):
        rollout.reconcile(endpoint_id)


@shared_task(name=control_queue.NOTIFY)
def notify(notification_id: str) -> None:
    notifications.send(int(notification_id))


@shared_task(name="serving.notify_due")
def notify_due() -> None:
    notifications.send_due()


@shared_task(name=CONTROL_WAKE)
def wake(entity_id: str) -> None:
    rollout.wake(entity_id)


@shared_task(name=CONTROL_REPLICA_CHANGED)
def replica_changed(entity_id: str) -> None:
    rollout.replica_changed(entity_id)


@shared_task(name=CONTROL_SEND_MODEL)
def send_model(sha256: str) -> None:
    nodes.send_model(sha256)


@shared_task(name="serving.tick")
def tick_task() -> None:
    tick.tick()


@shared_task(name="serving.sweep")
def sweep_task() -> None:
    sweep.sweep()


@shared_task(name="serving.prune_events")
def prune_events() -> None:
    events.prune()


@shared_task(name="serving.export_telemetry", time_limit=120)
def export_telemetry() -> None:
    telemetry_export.export()


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # a tick that could not run in its second is worth nothing: the next one sees the same
    "serving-tick": {"task": "serving.tick", "schedule": 1.0, "options": {"expires": 2}},
    "serving-export-telemetry": {"task": "serving.export_telemetry", "schedule": 2.0, "options": {"expires": 4}},
    "serving-notify-due": {"task": "serving.notify_due", "schedule": 30.0, "options": {"expires": 25}},
    "serving-prune-events": {"task": "serving.prune_events", "schedule": 3600.0, "options": {"expires": 3000}},
    "serving-sweep": {"task": "serving.sweep", "schedule": 30.0, "options": {"expires": 25}},
}
