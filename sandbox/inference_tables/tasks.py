"""The drain and the upkeep of inference tables as Celery tasks on queue `control`."""

import logging
from functools import cache
from typing import Any

from celery import shared_task
from django.conf import settings

from sandbox.connections import redis_client
from sandbox.inference_tables import delta
from sandbox.inference_tables.drain import Drain
from sandbox.inference_tables.names import TableName
from sandbox.workspaces.models import Workspace

logger = logging.getLogger(__name__)

DRAIN = "inference_tables.drain"
MAINTAIN = "inference_tables.maintain"
DRAIN_EVERY_S = 1.0
DRAIN_BUDGET_S = 10.0

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    DRAIN: {
        "task": DRAIN,
        "schedule": DRAIN_EVERY_S,
        # ticks that a busy worker could not take are worth nothing later
        "options": {"queue": "control", "expires": 2.0, "ignore_result": True},
    },
}


@shared_task(name=DRAIN, ignore_result=True, time_limit=120)
def drain() -> None:
    """Move what was captured into the inference tables; a second one at the same time returns at once."""
    drained = _drain().run(DRAIN_BUDGET_S)
    if drained.rejected:
        logger.error("%d captured records were rejected", drained.rejected)
    for workspace_id, name in drained.maintenance_due:
        maintain.apply_async((workspace_id, str(name)), queue="control")


@shared_task(name=MAINTAIN, ignore_result=True, time_limit=600)
def maintain(workspace_id: str, table: str) -> None:
    """Checkpoint the table's log, and compact its files when they are many and small."""
    delta.maintain(TableName.parse(table).folder(settings.DELTA_DIR, workspace_id))


@cache
def _drain() -> Drain:
    """The process's drain: it keeps tables open from tick to tick."""
    settings.DELTA_DIR.mkdir(parents=True, exist_ok=True)
    return Drain(redis_client(), settings.DELTA_DIR, _known_workspaces)


_seen_workspaces: set[str] = set()


def _known_workspaces(workspace_ids: set[str]) -> set[str]:
    """Those that exist; an id that was seen once is not looked up again, so a locked database does not stop the drain."""
    unseen = workspace_ids - _seen_workspaces
    if unseen:
        _seen_workspaces.update(Workspace.objects.filter(pk__in=unseen).values_list("pk", flat=True))
    return workspace_ids & _seen_workspaces
