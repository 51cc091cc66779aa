"""Moves captured records from the stream into Delta tables: in order, each exactly once (no Django here).

A table remembers, in its own log, the id of the last stream entry that it holds. Entries up to that id are skipped, so
that a drain that was killed anywhere can simply run again; the stream is trimmed only after the tables were synced.
"""

import gc
import logging
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import redis as redis_package

from sandbox.inference_tables import capture, delta
from sandbox.inference_tables.drain_lock import DrainLock, LockLost
from sandbox.inference_tables.entries import Entry, last_transaction, read_batch, trim
from sandbox.inference_tables.names import TableName, workspace_folder
from sandbox.inference_tables.rows import BadRecord, Row, arrow_table, row_of

logger = logging.getLogger(__name__)

OPEN_TABLES = 256
REJECTED_ENTRIES = 100_000
EPOCH_KEY = "capture:epoch"
FAILURES_KEY = "capture:failures"
"""Hash table -> how many batches in a row could not be written into it."""
FAILURES_BEFORE_REJECTION = 10
FREE_BYTES_NEEDED = 32 * 1024 * 1024

TableKey = tuple[str, TableName]
"""Workspace id and table."""
KnownWorkspaces = Callable[[set[str]], set[str]]
"""Which of these workspace ids exist."""


@dataclass
class Drained:
    """What one drain did."""

    rows: int = 0
    rejected: int = 0
    batches: int = 0
    is_empty: bool = False
    """Everything that was in the stream when the drain began has been moved."""
    maintenance_due: list[TableKey] = field(default_factory=list)


class Drain:
    """Keeps tables open between drains; one per process."""

    def __init__(self, redis: Any, root: Path, known_workspaces: KnownWorkspaces) -> None:
        self._redis = redis
        self._root = root
        self._known_workspaces = known_workspaces
        self._tables: OrderedDict[Path, delta.CaptureTable] = OrderedDict()

    def run(self, budget_s: float = 10.0) -> Drained:
        """Drain what is in the stream now, for at most `budget_s`; does nothing while another drain holds the lock.

        What arrives meanwhile waits for the next tick: each commit has a price of its own, and chasing a stream that never
        ends made hundreds of tiny ones (three quarters of a processor under load, measured).
        """
        drained = Drained()
        lock = DrainLock(self._redis)
        if not lock.acquire():
            return drained
        try:
            app_id = self._application_id()
            stop_at = time.monotonic() + budget_s
            last = last_transaction(self._redis)
            drained.is_empty = last < 0
            with _no_collections():
                while app_id and time.monotonic() < stop_at and not drained.is_empty:
                    self._drain_batch(app_id, last, lock, drained)
        except LockLost:
            logger.warning("another drain took over; stopping here")
        finally:
            lock.release()
        return drained

    def _application_id(self) -> str:
        """Name under which tables remember stream ids; empty when it was only just made.

        It lives and dies with the stream: a Redis that starts empty also starts new ids, which must not be compared with
        the old ones. The first tick only makes it, so that it is on disk before any row is written under it.
        """
        epoch = self._redis.get(EPOCH_KEY)
        if epoch is None:
            self._redis.set(EPOCH_KEY, f"{time.time_ns():x}", nx=True)
            return ""
        return f"capture-{epoch.decode()}"

    def _drain_batch(self, app_id: str, last: int, lock: DrainLock, drained: Drained) -> None:
        entries = read_batch(self._redis)
        if not entries:
            drained.is_empty = True
            return
        failures: list[delta.TableBroken] = []
        for key, rows in self._group(entries, drained).items():
            lock.extend()
            try:
                self._write(key, rows, app_id, drained)
            except delta.TableBroken as error:
                failures.append(error)
        if failures:  # the batch stays in the stream; tables that took their part skip it the next time
            raise failures[0]
        lock.extend()
        trim(self._redis, entries)
        drained.batches += 1
        drained.is_empty = entries[-1].transaction >= last

    def _group(self, entries: list[Entry], drained: Drained) -> dict[TableKey, list[tuple[int, Row]]]:
        """The rows of each table with the transaction of their entry; what cannot be a row is moved aside."""
        parsed = [(entry, entry.records()) for entry in entries]
        known = self._known_workspaces({str(record.get("ws")) for _, records in parsed for record in records or ()})
        tables: dict[tuple[Any, Any], list[tuple[int, Row]]] = {}
        groups: dict[TableKey, list[tuple[int, Row]]] = {}
        for entry, records in parsed:
            if records is None:
                self._reject(entry, entry.body, "not a JSON list of records", drained)
                continue
            bad: list[Any] = []
            reason = ""
            for record in records:
                try:
                    names = record.get("ws"), record.get("table")
                    rows = tables.get(names) if isinstance(names[0], str) and isinstance(names[1], str) else None
                    if rows is None:  # a name is taken apart once, not for each of thousands of records
                        rows = tables[names] = groups.setdefault(_table_of(record, known), [])
                    rows.append((entry.transaction, row_of(record)))
                except BadRecord as error:
                    bad.append(record)
                    reason = str(error)
            if bad:
                self._reject(entry, orjson.dumps(bad), reason, drained)
        return groups

    def _write(self, key: TableKey, rows: list[tuple[int, Row]], app_id: str, drained: Drained) -> None:
        """Append what the table does not hold yet and make it durable; raises TableBroken when that fails now.

        A second try reads the table again first: another writer may have been faster, or have written these very rows.
        """
        workspace_id, name = key
        path = name.folder(self._root, workspace_id)
        failures_key = f"{workspace_id}/{name}"
        for is_last in (False, True):
            try:
                table = self._open(path)
                before_version = table.version
                applied = table.applied(app_id)
                new = _first_of_each_id([(transaction, row) for transaction, row in rows if transaction > applied])
                if new:
                    table.append(arrow_table([row for _, row in new]), app_id, rows[-1][0])
                table.make_durable()
                break
            except (delta.TableBroken, OSError) as error:  # a name that the file system does not take, for example
                self._tables.pop(path, None)
                broken = error if isinstance(error, delta.TableBroken) else delta.TableBroken(str(error))
                if is_last:
                    self._give_up_on(failures_key, rows, broken, drained)
                    return
        if self._redis.hexists(FAILURES_KEY, failures_key):
            self._redis.hdel(FAILURES_KEY, failures_key)
        drained.rows += len(new)
        if delta.is_maintenance_due(before_version, table.version):
            drained.maintenance_due.append(key)

    def _open(self, path: Path) -> delta.CaptureTable:
        table = self._tables.pop(path, None)
        if table is None or not table.is_current():
            table = delta.CaptureTable.open(path)
        self._tables[path] = table
        if len(self._tables) > OPEN_TABLES:
            self._tables.popitem(last=False)
        return table

    def _give_up_on(self, failures_key: str, rows: list[tuple[int, Row]], error: delta.TableBroken, drained: Drained) -> None:
        """Retry on the next tick, but let one broken table hold up the others for a few ticks only."""
        if shutil.disk_usage(self._root).free < FREE_BYTES_NEEDED:
            raise error
        if self._redis.hincrby(FAILURES_KEY, failures_key, 1) < FAILURES_BEFORE_REJECTION:
            raise error
        logger.error("table %s cannot be written, its rows were moved to %s: %s", failures_key, capture.REJECTED_STREAM, error)
        self._add_rejected("*", orjson.dumps([row for _, row in rows]), f"{failures_key} cannot be written")
        drained.rejected += len(rows)

    def _reject(self, entry: Entry, body: bytes, reason: str, drained: Drained) -> None:
        logger.error("capture entry %s was moved to %s: %s", entry.entry_id.decode(), capture.REJECTED_STREAM, reason)
        self._add_rejected(entry.entry_id, body, reason)
        drained.rejected += 1

    def _add_rejected(self, entry_id: bytes | str, body: bytes, reason: str) -> None:
        try:
            self._redis.xadd(
                capture.REJECTED_STREAM,
                {capture.FIELD: body, "reason": reason},
                id=entry_id,
                maxlen=REJECTED_ENTRIES,
                approximate=True,
            )
        except redis_package.ResponseError as error:
            if "equal or smaller" not in str(error):  # else it was moved before a kill: once is enough
                raise


@contextmanager
def _no_collections() -> Iterator[None]:
    """Without Python's garbage collector, which would look at every record of a batch several times (a quarter of its time,
    measured) and find nothing: records hold no cycles.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _table_of(record: dict[str, Any], known: set[str]) -> TableKey:
    workspace_id = record.get("ws")
    if not isinstance(workspace_id, str) or workspace_id not in known:
        raise BadRecord("ws is not a workspace")
    try:
        workspace_folder(Path(), workspace_id)
        return workspace_id, TableName.parse(str(record.get("table")))
    except ValueError as error:
        raise BadRecord(str(error)) from error


def _first_of_each_id(rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """Rows without repeated databricks_request_id: an answer that was sent twice is one invocation."""
    first: dict[str, tuple[int, Row]] = {}
    for transaction, row in rows:
        first.setdefault(row[0], (transaction, row))
    return list(first.values())
