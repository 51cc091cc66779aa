"""What keeps online tables as they should be: continuous syncs, rows that Redis lost, syncs that nobody carries out."""

from datetime import timedelta

from django.utils import timezone

from sandbox.connections import redis_client
from sandbox.control_queue import enqueue
from sandbox.features import source
from sandbox.features.encoding import pointer_key
from sandbox.features.models import OnlineTable, Sync
from sandbox.features.online_tables import SYNC, request_sync
from sandbox.workspaces import clock

CONTINUOUS_EVERY_S = 15.0
"""Of the workspace's clock; the documentation says only that changes arrive continuously (assumed)."""
LOST_AFTER = timedelta(seconds=60)
REBUILDING = "The store came back without the rows of this table; they are being copied anew."


def look() -> None:
    """One look at all online tables."""
    _send_again()
    tables = list(OnlineTable.objects.select_related("workspace").exclude(synced_version=None))
    if not tables:
        return
    pipeline = redis_client().pipeline(transaction=False)
    for table in tables:
        pipeline.exists(pointer_key(table.pk))
    for table, is_there in zip(tables, pipeline.execute(), strict=True):
        if not is_there:
            _rebuild(table)
        elif table.mode == OnlineTable.Mode.CONTINUOUS:
            _follow(table)


def _rebuild(table: OnlineTable) -> None:
    table.state, table.message, table.synced_version = OnlineTable.State.INITIAL_SNAPSHOT, REBUILDING, None
    table.save(update_fields=["state", "message", "synced_version"])
    request_sync(table, "the store had lost the rows")


def _follow(table: OnlineTable) -> None:
    if table.looked_at is not None and clock.elapsed_s(table.workspace, table.looked_at) < CONTINUOUS_EVERY_S:
        return
    OnlineTable.objects.filter(pk=table.pk).update(looked_at=timezone.now())
    try:
        has_news = source.has_news(source.folder_of(table), table.synced_version or 0)
    except source.SourceGone as gone:
        OnlineTable.objects.filter(pk=table.pk).update(state=OnlineTable.State.PIPELINE_FAILED, message=str(gone))
        return
    if has_news:
        request_sync(table, "the source has changed")


def _send_again() -> None:
    """Messages that were lost with the broker or with a killed process."""
    late = timezone.now() - LOST_AFTER
    unfinished = Sync.objects.filter(state__in=[Sync.State.QUEUED, Sync.State.RUNNING], created_at__lt=late)
    for sync_id in unfinished.values_list("pk", flat=True)[:100]:
        enqueue(SYNC, sync_id)
