"""Celery entry points of online tables (queue `control`) and their schedule."""

from typing import Any

from celery import shared_task

from sandbox.control_queue import enqueue
from sandbox.features import schedule, sync
from sandbox.features.models import Sync
from sandbox.features.online_tables import SYNC

LOOK = "features.look"


@shared_task(name=SYNC, time_limit=3600)
def sync_task(sync_id: str) -> None:
    """One that finds another at work on its table is sent again when that has ended, by it or by the schedule."""
    if sync.run(sync_id):
        waiting = Sync.objects.filter(table__syncs=sync_id, state=Sync.State.QUEUED).exclude(pk=sync_id)
        for next_id in waiting.values_list("pk", flat=True):
            enqueue(SYNC, next_id)


@shared_task(name=LOOK, ignore_result=True)
def look() -> None:
    schedule.look()


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "features-look": {"task": LOOK, "schedule": 2.0, "options": {"queue": "control", "expires": 4}},
}
