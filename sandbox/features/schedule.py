"""What keeps online tables as they should be: continuous syncs, lost rows, sources that are gone, syncs that nobody does."""

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from sandbox.catalog.models import Securable, SecurableType
from sandbox.connections import redis_client
from sandbox.control_queue import enqueue
from sandbox.features import source, sync, sync_lock
from sandbox.features.encoding import Pointer, pointer_key
from sandbox.features.models import OnlineTable, Sync
from sandbox.features.online_tables import SYNC, request_sync
from sandbox.workspaces import clock

CONTINUOUS_EVERY_S = 15.0
"""Of the workspace's clock; the documentation says only that changes arrive continuously (assumed)."""
QUEUED_FOR = timedelta(seconds=10)
"""A sync that waits is sent to the queue again after this long; so is one whose process has died, at once and then so often."""
REBUILDING = "The store came back without the rows of this table; they are being copied anew."
State = OnlineTable.State


def look() -> None:
    """One look at all online tables."""
    _send_again()
    _find_sources()
    tables = list(OnlineTable.objects.select_related("workspace").exclude(synced_version=None))
    if not tables:
        return
    pointers = redis_client().mget([pointer_key(table.pk) for table in tables])
    for table, raw in zip(tables, pointers, strict=True):
        if raw is None:
            _rebuild(table)
        elif Pointer.from_json(raw).source_version < (table.synced_version or 0) and not _is_at_work(table):
            request_sync(table, "the store had lost the last changes")  # it writes to its disk once a second
        elif table.mode == OnlineTable.Mode.CONTINUOUS:
            _follow(table)


def _rebuild(table: OnlineTable) -> None:
    table.state, table.message, table.synced_version = State.INITIAL_SNAPSHOT, REBUILDING, None
    table.save(update_fields=["state", "message", "synced_version"])
    sync.online_table_changed.send(OnlineTable, table=table)
    request_sync(table, "the store had lost the rows")


def _follow(table: OnlineTable) -> None:
    if table.looked_at is not None and clock.elapsed_s(table.workspace, table.looked_at) < CONTINUOUS_EVERY_S:
        return
    OnlineTable.objects.filter(pk=table.pk).update(looked_at=timezone.now())
    try:
        has_news = source.has_news(source.folder_of(table), table.synced_version or 0)
    except source.SourceGone:
        return  # `_find_sources` says so
    if has_news and not _is_at_work(table):
        request_sync(table, "the source has changed")


def _find_sources() -> None:
    """Say of tables whose source was dropped that they are not kept up to date any more."""
    sources = Securable.objects.filter(
        id=OuterRef("source_id"), workspace=OuterRef("workspace"), securable_type=SecurableType.TABLE
    )
    alone = OnlineTable.objects.exclude(state__in=[State.FAILED, State.PIPELINE_FAILED]).exclude(Exists(sources))
    for table in alone.select_related("workspace"):
        if _is_at_work(table):
            continue  # it finds out by itself
        try:
            source.folder_of(table)
        except source.SourceGone as gone:
            sync.say_failed(table, str(gone), is_online=table.synced_version is not None)


def _is_at_work(table: OnlineTable) -> bool:
    return table.syncs.filter(state__in=[Sync.State.QUEUED, Sync.State.RUNNING]).exists()


def _send_again() -> None:
    """Syncs whose message was lost with the broker, or whose process was killed."""
    late = timezone.now() - QUEUED_FOR
    unfinished = Sync.objects.filter(state__in=[Sync.State.QUEUED, Sync.State.RUNNING])
    for sync_id, table_id, state, created_at in unfinished.values_list("pk", "table_id", "state", "created_at")[:100]:
        if sync_lock.is_held(table_id) or (state == Sync.State.QUEUED and created_at > late):
            continue
        if redis_client().set(f"feat:sent:{sync_id}", b"1", nx=True, ex=int(QUEUED_FOR.total_seconds())):
            enqueue(SYNC, sync_id)
