"""One sync of an online table: a new generation, or the changes since the last; readers see all of it or nothing.

A sync that is killed leaves the pointer where it was. Its half-written generation is named after its number and ends by itself.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from django.utils import timezone

from sandbox.catalog.delta import Snapshot
from sandbox.connections import redis_client
from sandbox.features import source
from sandbox.features.bulk import encode
from sandbox.features.encoding import Pointer, pointer_key, rows_key
from sandbox.features.models import OnlineTable, Sync

log = logging.getLogger(__name__)

MAX_CHANGED_ROWS = 20_000
"""More changes than this become a new generation: one transaction that writes them all would hold Redis up."""
LOCK_S = 30
GENERATION_KEPT_S = 60
"""How long rows stay that nothing points to any more, for replicas that read the pointer a moment ago."""
UNFINISHED_KEPT_S = 600
PROGRESS_EVERY_S = 0.5
_STILL_MINE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], ARGV[2]) else return 0 end"
_LET_GO = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class Overtaken(Exception):
    """Another process has taken this table's sync over."""


def run(sync_id: str) -> bool:
    """Carry the sync out; False when another process is at work on this table. A sync that has ended is left alone."""
    sync = Sync.objects.select_related("table", "table__workspace").filter(pk=sync_id).first()
    if sync is None or sync.state in {Sync.State.COMPLETED, Sync.State.FAILED}:
        return True
    with _lock(sync.table_id) as holder:
        if holder is None:
            return False
        try:
            _carry_out(sync, holder)
        except source.SourceGone as gone:
            _fail(sync, str(gone))
        except Overtaken:
            log.warning("sync %s was taken over", sync.pk)
        except Exception:
            _fail(sync, "The sync ended with an error of the site; it is in the log of control. Start it again.")
            raise
    return True


def _carry_out(sync: Sync, holder: str) -> None:
    table = sync.table
    snapshot = source.read(table)
    pointer = current_pointer(table.pk)
    sync.state, sync.started_at = Sync.State.RUNNING, timezone.now()
    sync.from_version, sync.to_version = (pointer.source_version if pointer else None), snapshot.version
    changes = None
    if pointer is not None and table.mode != OnlineTable.Mode.SNAPSHOT and pointer.source_version < snapshot.version:
        changes = source.changes(table, snapshot, pointer.source_version)
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
    for batch in source.rows_by_key(snapshot, table.primary_key, table.timeseries_key):
        pipeline = redis.pipeline(transaction=False)
        pipeline.hset(rows_at, items=_items(batch, pointer))
        pipeline.expire(rows_at, UNFINISHED_KEPT_S)
        pipeline.execute()
        sync.done_rows += batch.num_rows
        if time.monotonic() - reported_s > PROGRESS_EVERY_S:
            reported_s = time.monotonic()
            _report(sync, holder)
    rows = int(redis.hlen(rows_at))
    _require_lock(sync.table_id, holder)
    pipeline = redis.pipeline(transaction=True)
    pipeline.persist(rows_at)
    pipeline.set(pointer_key(table.pk), _with_rows(pointer, rows).to_json())
    if before is not None:
        pipeline.expire(rows_key(table.pk, before.generation), GENERATION_KEPT_S)
    pipeline.execute()
    return rows


def _items(rows: pa.RecordBatch | pa.Table, pointer: Pointer) -> list[bytes]:
    fields = encode(rows, pointer.key_columns, pointer.key_types)
    values = encode(rows, pointer.columns, pointer.types)
    return [item for pair in zip(fields, values, strict=True) for item in pair]


def _report(sync: Sync, holder: str) -> None:
    """Show how far it is, and keep the lock."""
    _require_lock(sync.table_id, holder)
    sync.save(update_fields=["done_rows"])


# --- changes --------------------------------------------------------------------------------------


def _apply(table: OnlineTable, snapshot: Snapshot, before: Pointer, changes: source.Changes, sync: Sync, holder: str) -> int:
    """All changes and the new pointer in one transaction."""
    redis = redis_client()
    pointer = _pointer(table, snapshot, before.generation)
    rows_at = rows_key(table.pk, before.generation)
    pipeline = redis.pipeline(transaction=True)
    for deleted, written in changes.commits:
        if deleted.num_rows:
            pipeline.hdel(rows_at, *encode(deleted, pointer.key_columns, pointer.key_types))
        if written.num_rows:
            pipeline.hset(rows_at, items=_items(written, pointer))
        sync.deleted_rows += deleted.num_rows
    pipeline.set(pointer_key(table.pk), pointer.to_json())
    pipeline.hlen(rows_at)
    _require_lock(sync.table_id, holder)  # reading the changes may have taken longer than the lock lasts
    rows = int(pipeline.execute()[-1])
    _require_lock(sync.table_id, holder)
    redis.set(pointer_key(table.pk), _with_rows(pointer, rows).to_json())
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
    table.save(update_fields=["state", "message", "synced_version", "synced_rows", "synced_at"])


def _fail(sync: Sync, message: str) -> None:
    table = sync.table
    sync.state, sync.ended_at, sync.message = Sync.State.FAILED, timezone.now(), message
    sync.save()
    is_online = current_pointer(table.pk) is not None
    table.state = OnlineTable.State.PIPELINE_FAILED if is_online else OnlineTable.State.FAILED
    table.message = message
    table.save(update_fields=["state", "message"])


# --- one sync at a time ---------------------------------------------------------------------------


@contextmanager
def _lock(table_id: str) -> Iterator[str | None]:
    """Who holds the table; None while somebody else does. It ends by itself when its holder dies."""
    redis = redis_client()
    holder = secrets.token_hex(8)
    if not redis.set(_lock_key(table_id), holder, nx=True, ex=LOCK_S):
        yield None
        return
    try:
        yield holder
    finally:
        redis.eval(_LET_GO, 1, _lock_key(table_id), holder)


def _require_lock(table_id: str, holder: str) -> None:
    """Keep the lock for another while. Raises Overtaken."""
    if not redis_client().eval(_STILL_MINE, 1, _lock_key(table_id), holder, LOCK_S):
        raise Overtaken


def _lock_key(table_id: str) -> str:
    return f"feat:lock:{table_id}"
