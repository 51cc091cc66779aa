"""Celery entry points of online tables (queue `control`) and their schedule."""

from typing import Any

from celery import shared_task

from sandbox.control_queue import enqueue
from sandbox.features import schedule, sync
from sandbox.features.online_tables import SYNC

LOOK = "features.look"
BUSY_AGAIN_S = 2


@shared_task(name=SYNC, time_limit=3600)
def sync_task(sync_id: str) -> None:
    """A sync that finds another at work on its table comes back in a moment."""
    if not sync.run(sync_id):
        enqueue(SYNC, sync_id, countdown_s=BUSY_AGAIN_S)


@shared_task(name=LOOK, ignore_result=True)
def look() -> None:
    schedule.look()


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "features-look": {"task": LOOK, "schedule": 2.0, "options": {"queue": "control", "expires": 4}},
}
