"""Celery entry points of online tables (queue `control`) and their schedule."""

from typing import Any

from celery import shared_task

from sandbox.features import schedule, sync
from sandbox.features.online_tables import SYNC

LOOK = "features.look"


@shared_task(name=SYNC, time_limit=3600)
def sync_task(sync_id: str) -> None:
    """A sync that finds another at work on its table is left to it; the schedule sees to it that it ends."""
    sync.run(sync_id)


@shared_task(name=LOOK, ignore_result=True)
def look() -> None:
    schedule.look()


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "features-look": {"task": LOOK, "schedule": 2.0, "options": {"queue": "control", "expires": 4}},
}
