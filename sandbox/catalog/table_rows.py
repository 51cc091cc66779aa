"""Rows of tables: which files a query reads, at which version, and every way to change them. Each change is one Delta commit.

The catalog hands out file names and takes Arrow tables; queries run elsewhere.
"""

import datetime as dt

import pyarrow as pa

from sandbox.catalog import access, captured, delta, delta_history, delta_row_changes, table_schema, tables
from sandbox.catalog.delta import RowChanges, Snapshot
from sandbox.catalog.delta_history import HistoryEntry
from sandbox.catalog.delta_log import Commit
from sandbox.catalog.models import Securable
from sandbox.errors import InvalidParameterValue
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person


def snapshot(caller: Caller, full_name: str, *, version: int | None = None, timestamp: dt.datetime | None = None) -> Snapshot:
    """What a SELECT reads: folder, columns, files with sizes and rows; of the newest version or of an older one.

    Needs SELECT. Raises ResourceDoesNotExist, PermissionDenied, InvalidParameterValue (no such version; a view).
    """
    table = tables.find(caller, full_name)
    access.require(caller, table, "SELECT")
    folder = tables.folder_of(table)
    if timestamp is not None:
        version = delta_history.version_at(folder, timestamp)
    found = delta.read(folder, version)
    if version is None:
        table_schema.remember(table, found)
    return found


def history(caller: Caller, full_name: str, limit: int | None = None) -> list[HistoryEntry]:
    """DESCRIBE HISTORY, newest first. Needs SELECT. Raises ResourceDoesNotExist, PermissionDenied, InvalidParameterValue."""
    table = tables.find(caller, full_name)
    access.require(caller, table, "SELECT", access.MANAGE)
    return delta_history.history(tables.folder_of(table), limit)


def changes(caller: Caller, full_name: str, first: int, last: int | None = None) -> pa.Table:
    """table_changes(…): rows of the change data feed of both versions and those between, with `_change_type`,
    `_commit_version` and `_commit_timestamp`. Needs SELECT. Raises InvalidParameterValue when it was not recorded.
    """
    table = tables.find(caller, full_name)
    access.require(caller, table, "SELECT")
    return delta.changes(tables.folder_of(table), first, last)


def append(caller: Caller, full_name: str, rows: pa.Table | pa.RecordBatchReader) -> Snapshot:
    """INSERT INTO: columns are matched by name in any case, missing ones are null.

    Other appends at the same time are no conflict. Needs MODIFY. Raises InvalidParameterValue (a column that is not there, a null
    where none may be, a value of another type), ResourceConflict (the columns were changed meanwhile).
    """
    table = _writable(caller, full_name)
    return delta.append(tables.folder_of(table), rows, Commit("WRITE", person(caller.user), {"mode": "Append"}))


def replace(
    caller: Caller, full_name: str, rows: pa.Table | pa.RecordBatchReader, expected_version: int | None = None
) -> Snapshot:
    """INSERT OVERWRITE: these rows instead of all that are there.

    With `expected_version`: only if the table is still at that version. Needs MODIFY. Raises ResourceConflict,
    InvalidParameterValue.
    """
    table = _writable(caller, full_name)
    before = delta.read(tables.folder_of(table))
    commit = Commit("WRITE", person(caller.user), {"mode": "Overwrite"})
    if expected_version is not None and before.version != expected_version:
        raise delta.conflict(commit)
    return delta.overwrite(before, commit, rows)


def change_rows(
    caller: Caller, full_name: str, before: Snapshot, changes: RowChanges, operation: str, predicate: str = ""
) -> Snapshot:
    """UPDATE, DELETE, MERGE: delete, update and insert rows of the version `before`, in one commit that nobody may overtake.

    `operation` is UPDATE, DELETE or MERGE, `predicate` its condition as text, for the history. Needs SELECT and MODIFY.
    Raises ResourceConflict (the table has changed: read, compute and call again), InvalidParameterValue.
    """
    table = _writable(caller, full_name)
    access.require(caller, table, "SELECT")
    if before.folder != tables.folder_of(table):
        raise InvalidParameterValue(f"The rows that were read are not those of '{table.full_name}'. Read it and repeat.")
    return delta_row_changes.change_rows(before, changes, Commit(operation, person(caller.user), {"predicate": predicate}))


def truncate(caller: Caller, full_name: str) -> Snapshot:
    """TRUNCATE TABLE. Needs MODIFY. Raises ResourceConflict."""
    table = _writable(caller, full_name)
    return delta.overwrite(delta.read(tables.folder_of(table)), Commit("TRUNCATE", person(caller.user)), None)


def restore(caller: Caller, full_name: str, *, version: int | None = None, timestamp: dt.datetime | None = None) -> Snapshot:
    """RESTORE TABLE … TO VERSION (or TIMESTAMP) AS OF: a new version that is what an older one was. Needs MODIFY."""
    table = _writable(caller, full_name)
    folder = tables.folder_of(table)
    if version is None:
        if timestamp is None:
            raise InvalidParameterValue("Say to which version or timestamp the table is to be restored.")
        version = delta_history.version_at(folder, timestamp)
    commit = Commit("RESTORE", person(caller.user), {"version": str(version)})
    restored = delta.restore(delta.read(folder), version, commit)
    table_schema.remember(table, restored)
    return restored


def _writable(caller: Caller, full_name: str) -> Securable:
    table = tables.find(caller, full_name)
    access.require(caller, table, "MODIFY")
    captured.require_own_rows(table)
    return table
