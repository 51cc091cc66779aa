"""One sync of an online table: a new generation, or the changes since the last; readers see all of it or nothing.

A sync that is killed leaves the pointer where it was, and the schedule starts it again. Its half-written generation is named
after its number and ends by itself.
"""

import logging
import time
from itertools import chain
from typing import Any

import pyarrow as pa
from django.dispatch import Signal
from django.utils import timezone
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisSlow

from sandbox.catalog.delta import Snapshot
from sandbox.connections import redis_client
from sandbox.features import quota, source, sync_lock
from sandbox.features.bulk import encode
from sandbox.features.encoding import Pointer, pointer_key, rows_key
from sandbox.features.models import OnlineTable, Sync
from sandbox.features.quota import StoreFull

log = logging.getLogger(__name__)

MAX_CHANGED_ROWS = 20_000
"""More changes than this become a new generation: one transaction that writes them all would hold Redis up."""
GENERATION_KEPT_S = 60
"""How long rows stay that nothing points to any more, for replicas that read the pointer a moment ago."""
UNFINISHED_KEPT_S = 600
PROGRESS_EVERY_S = 0.5
SAMPLED_ROWS = 100
"""Of which Redis takes the size when it is asked how much memory a table takes."""
STORE_IS_FULL = "The memory of the online store is used up. Delete online tables, or ask the operator of this site for more."
online_table_changed = Signal()
"""Sent with `table` when it was filled, could not be, or lost its rows."""


def run(sync_id: str) -> bool:
    """Carry the sync out; False when another process is at work on this table. A sync that has ended is left alone."""
    sync = Sync.objects.select_related("table", "table__workspace").filter(pk=sync_id).first()
    if sync is None or sync.state in {Sync.State.COMPLETED, Sync.State.FAILED}:
        return True
    with sync_lock.lock(sync.table_id) as holder:
        if holder is None:
            return False
        try:
            _carry_out(sync, holder)
        except (source.SourceGone, StoreFull) as error:
            _fail(sync, str(error))
        except sync_lock.Overtaken:
            log.warning("sync %s was taken over, or the store came back empty", sync.pk)
        except (RedisAway, RedisSlow) as error:
            log.warning("sync %s waits for the store: %s", sync.pk, error)  # the schedule starts it again
        except OutOfMemoryError:
            _fail(sync, STORE_IS_FULL)
        except Exception as error:
            if why := _source_is_gone(sync.table):
                _fail(sync, why)
                return True
            log.error("sync %s failed: %r", sync.pk, error)
            _fail(sync, "The sync ended with an error of the site; it is in the log of control. Start it again.")
            raise
    return True


def _source_is_gone(table: OnlineTable) -> str:
    """Why, when its files vanished while they were read; else empty."""
    try:
        source.folder_of(table)
    except source.SourceGone as gone:
        return str(gone)
    return ""


def _carry_out(sync: Sync, holder: str) -> None:
    table = sync.table
    snapshot = source.read(table)
    pointer = current_pointer(table.pk)
    sync.state, sync.started_at = Sync.State.RUNNING, timezone.now()
    sync.from_version, sync.to_version = (pointer.source_version if pointer else None), snapshot.version
    changes = None
    if pointer is not None and table.mode != OnlineTable.Mode.SNAPSHOT:
        nothing = source.Changes(())
        is_news = pointer.source_version != snapshot.version
        changes = source.changes(table, snapshot, pointer.source_version) if is_news else nothing
    if pointer is not None and changes is not None and changes.rows <= MAX_CHANGED_ROWS:
        sync.kind, sync.total_rows = Sync.Kind.INCREMENTAL, changes.rows
        _begin(table, sync)
        rows = _apply(table, snapshot, pointer, changes, sync, holder)
    else:
        sync.kind, sync.total_rows = Sync.Kind.FULL, snapshot.rows
        _begin(table, sync)
        rows = _write_generation(table, snapshot, pointer, sync, holder)
    _complete(sync, snapshot.version, rows)


def current_pointer(table_id: str) -> Pointer | None:
    raw = redis_client().get(pointer_key(table_id))
    return Pointer.from_json(raw) if raw else None


def forget(table_id: str) -> None:
    """Take the rows away; whoever looks one up from now on is told that there is no such table."""
    redis = redis_client()
    pointer = current_pointer(table_id)
    redis.delete(pointer_key(table_id))
    if pointer is not None:
        redis.expire(rows_key(table_id, pointer.generation), GENERATION_KEPT_S)


# --- a new generation -----------------------------------------------------------------------------


def _write_generation(table: OnlineTable, snapshot: Snapshot, before: Pointer | None, sync: Sync, holder: str) -> int:
    redis = redis_client()
    pointer = _pointer(table, snapshot, generation=time.time_ns())
    rows_at = rows_key(table.pk, pointer.generation)
    reported_s = time.monotonic()
    sync.done_rows = 0
    for batch in source.rows_by_key(snapshot, table.primary_key, table.timeseries_key):
        pipeline = redis.pipeline(transaction=False)
        pipeline.hset(rows_at, items=_items(batch, pointer))
        pipeline.expire(rows_at, UNFINISHED_KEPT_S)
        pipeline.execute()
        sync.done_rows += batch.num_rows
        _require_room(table, rows_at)
        if time.monotonic() - reported_s > PROGRESS_EVERY_S:
            reported_s = time.monotonic()
            _report(sync, holder)
    rows = int(redis.hlen(rows_at))

    def flip(pipeline: Pipeline) -> None:
        pipeline.persist(rows_at)
        pipeline.set(pointer_key(table.pk), _with_rows(pointer, rows).to_json())
        if before is not None:
            pipeline.expire(rows_key(table.pk, before.generation), GENERATION_KEPT_S)

    sync_lock.transact(table.pk, holder, flip)
    return rows


def _require_room(table: OnlineTable, rows_at: str) -> None:
    """Raises StoreFull; then the half-written generation is gone."""
    try:
        quota.require_room(table, _size_bytes(rows_at))
    except StoreFull:
        redis_client().unlink(rows_at)
        raise


def _size_bytes(rows_at: str) -> int:
    size: Any = redis_client().memory_usage(rows_at, samples=SAMPLED_ROWS)
    return int(size or 0)


def _items(rows: pa.RecordBatch | pa.Table, pointer: Pointer) -> list[bytes]:
    fields = encode(rows, pointer.key_columns, pointer.key_types)
    values = encode(rows, pointer.columns, pointer.types)
    return [item for pair in zip(fields, values, strict=True) for item in pair]


def _report(sync: Sync, holder: str) -> None:
    """Show how far it is, and keep the lock."""
    sync_lock.require(sync.table_id, holder)
    sync.save(update_fields=["done_rows"])


# --- changes --------------------------------------------------------------------------------------


def _apply(table: OnlineTable, snapshot: Snapshot, before: Pointer, changes: source.Changes, sync: Sync, holder: str) -> int:
    """All changes and the new pointer in one transaction."""
    pointer = _pointer(table, snapshot, before.generation)
    rows_at = rows_key(table.pk, before.generation)
    items = [_items(written, pointer) if written.num_rows else [] for _, written in changes.commits]
    if any(items):
        quota.require_room(table, _size_bytes(rows_at) + sum(map(len, chain.from_iterable(items))))
    sync.deleted_rows = sum(deleted.num_rows for deleted, _ in changes.commits)

    def change(pipeline: Pipeline) -> None:
        for (deleted, _), written in zip(changes.commits, items, strict=True):
            if deleted.num_rows:
                pipeline.hdel(rows_at, *encode(deleted, pointer.key_columns, pointer.key_types))
            if written:
                pipeline.hset(rows_at, items=written)
        pipeline.set(pointer_key(table.pk), pointer.to_json())
        pipeline.hlen(rows_at)

    rows = int(sync_lock.transact(table.pk, holder, change)[-1])
    counted = _with_rows(pointer, rows).to_json()
    sync_lock.transact(table.pk, holder, lambda pipeline: pipeline.set(pointer_key(table.pk), counted))
    sync.done_rows = changes.rows
    return rows


# --- what the database knows ----------------------------------------------------------------------


def _pointer(table: OnlineTable, snapshot: Snapshot, generation: int) -> Pointer:
    types = {column.name: column.type_text for column in snapshot.columns}
    others = tuple(name for name in types if name not in table.primary_key)
    return Pointer(
        generation=generation,
        key_columns=tuple(table.primary_key),
        key_types=tuple(types[name] for name in table.primary_key),
        columns=others,
        types=tuple(types[name] for name in others),
        source_version=snapshot.version,
        rows=0,
        synced_at_s=time.time(),
    )


def _with_rows(pointer: Pointer, rows: int) -> Pointer:
    return Pointer(**{**vars(pointer), "rows": rows})


def _begin(table: OnlineTable, sync: Sync) -> None:
    if table.synced_version is None:
        table.state = OnlineTable.State.INITIAL_SNAPSHOT
    elif table.mode != OnlineTable.Mode.CONTINUOUS:
        table.state = OnlineTable.State.TRIGGERED_UPDATE
    sync.save()
    table.save(update_fields=["state"])


def _complete(sync: Sync, version: int, rows: int) -> None:
    table = sync.table
    now = timezone.now()
    sync.state, sync.ended_at, sync.message = Sync.State.COMPLETED, now, ""
    sync.save()
    continuous = table.mode == OnlineTable.Mode.CONTINUOUS
    table.state = OnlineTable.State.CONTINUOUS_UPDATE if continuous else OnlineTable.State.NO_PENDING_UPDATE
    table.message, table.synced_version, table.synced_rows, table.synced_at = "", version, rows, now
    pointer = current_pointer(table.pk)
    table.synced_bytes = _size_bytes(rows_key(table.pk, pointer.generation)) if pointer is not None else 0
    table.save(update_fields=["state", "message", "synced_version", "synced_rows", "synced_at", "synced_bytes"])
    online_table_changed.send(OnlineTable, table=table)


def _fail(sync: Sync, message: str) -> None:
    table = sync.table
    is_online = current_pointer(table.pk) is not None
    sync.state, sync.ended_at, sync.message = Sync.State.FAILED, timezone.now(), message
    sync.save()
    say_failed(table, message, is_online=is_online)


def say_failed(table: OnlineTable, message: str, *, is_online: bool) -> None:
    """The table is not kept up to date any more; what it has stays where it is."""
    table.state = OnlineTable.State.PIPELINE_FAILED if is_online else OnlineTable.State.FAILED
    table.message = message
    table.save(update_fields=["state", "message"])
    online_table_changed.send(OnlineTable, table=table)
