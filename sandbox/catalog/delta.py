"""Delta tables of the catalog: one function for each kind of commit, and reading by delta-rs.

Every write reads a version and commits the next one. Appends are repeated on top of whoever was faster; everything else raises
ResourceConflict, and whoever asked may read anew and repeat.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from sandbox.catalog import delta_files, delta_log
from sandbox.catalog.column_types import Column, arrow_schema, sql_text
from sandbox.catalog.delta_files import DataFile
from sandbox.catalog.delta_log import APPEND_ONLY, CHANGE_FEED, Commit, VersionTaken
from sandbox.errors import InvalidParameterValue, ResourceConflict

CHECKPOINT_EVERY_VERSIONS = 20
APPEND_ATTEMPTS = 100


class TableBroken(Exception):
    """The table's own files cannot be read; the message may name paths and is for the log only."""


@dataclass(frozen=True)
class Snapshot:
    """One version of a table, as it lies on disk."""

    folder: Path
    version: int
    table_id: str
    columns: tuple[Column, ...]
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Table properties that Delta knows and any others that were set."""
    files: tuple[DataFile, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema; files that are older than a column lack it (its values are null)."""
        return arrow_schema(list(self.columns))

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def has_change_feed(self) -> bool:
        return self.configuration.get(CHANGE_FEED, "").lower() == "true"


@dataclass(frozen=True)
class RowChanges:
    """What UPDATE, DELETE and MERGE do to the rows of one version.

    Rows are named by data file (`DataFile.name`) and position in it, from 0: in DuckDB `filename` and `file_row_number`.
    """

    deleted: Mapping[str, list[int]] = field(default_factory=dict)
    updated: Mapping[str, list[int]] = field(default_factory=dict)
    after: pa.Table | None = None
    """The updated rows as they are afterwards, whole, in the order of `updated`: file by file, position by position."""
    inserted: pa.Table | None = None


def create(
    folder: Path, columns: list[Column], configuration: Mapping[str, str], commit: Commit, rows: pa.Table | None = None
) -> Snapshot:
    """A new table in a folder that is not there yet."""
    schema = arrow_schema(columns)
    files = delta_files.write(folder, schema, rows) if rows is not None else []
    actions = [
        delta_log.protocol(columns),
        delta_log.metadata(str(uuid.uuid4()), columns, configuration),
        *(add_action(file) for file in files),
    ]
    delta_log.put(folder, 0, replace(commit, metrics=_written(files)), actions)
    return read(folder)


def read(folder: Path, version: int | None = None) -> Snapshot:
    """The newest version, or an older one. Raises InvalidParameterValue for a version that is not there (any more)."""
    handle = open_table(folder, version)
    metadata = handle.metadata()
    fields = orjson.loads(handle.schema().to_json())["fields"]
    actions = pa.table(handle.get_add_actions(flatten=True))
    files = zip(*(actions[name].to_pylist() for name in ("path", "size_bytes", "num_records")), strict=True)
    return Snapshot(
        folder=folder,
        version=int(handle.version()),
        table_id=str(metadata.id),
        columns=tuple(
            Column(each["name"], sql_text(each["type"]), each["nullable"], each["metadata"].get("comment", "")) for each in fields
        ),
        configuration=dict(metadata.configuration),
        files=tuple(sorted((DataFile(name, size, rows or 0) for name, size, rows in files), key=lambda file: file.name)),
    )


def exists(folder: Path) -> bool:
    return bool(DeltaTable.is_deltatable(str(folder)))


def append(folder: Path, rows: pa.Table | pa.RecordBatchReader, commit: Commit) -> Snapshot:
    """Add rows. Another writer's commit in between is no conflict, unless it changed the columns."""
    before = read(folder)
    files = delta_files.write(folder, before.schema, rows)
    commit = replace(commit, metrics=_written(files), is_blind_append=True)
    now = before
    for _ in range(APPEND_ATTEMPTS):
        try:
            return _put(now, commit, [add_action(file) for file in files], files=(*now.files, *files))
        except VersionTaken:
            now = read(folder)
            if now.columns != before.columns:
                break
    delta_files.delete(folder, files)
    raise conflict(commit)


def overwrite(
    before: Snapshot,
    commit: Commit,
    rows: pa.Table | pa.RecordBatchReader | None,
    columns: list[Column] | None = None,
    configuration: Mapping[str, str] | None = None,
) -> Snapshot:
    """Replace all rows; with `columns` and `configuration` also what the table is. Raises ResourceConflict."""
    columns = columns if columns is not None else list(before.columns)
    properties = dict(before.configuration if configuration is None else configuration)
    check_may_remove(replace(before, configuration=properties))
    files = delta_files.write(before.folder, arrow_schema(columns), rows) if rows is not None else []
    actions = [remove_action(file) for file in before.files] + [add_action(file) for file in files]
    if tuple(columns) != before.columns or properties != before.configuration:
        actions = [delta_log.protocol(columns), delta_log.metadata(before.table_id, columns, properties), *actions]
    now = replace(before, columns=tuple(columns), configuration=properties)
    return put_or_undo(now, replace(commit, metrics=_written(files)), actions, tuple(files), files)


def describe(
    before: Snapshot, commit: Commit, columns: list[Column] | None = None, configuration: Mapping[str, str] | None = None
) -> Snapshot:
    """Change columns (add, comment, nullability) or properties without touching rows. Raises ResourceConflict."""
    columns = columns if columns is not None else list(before.columns)
    properties = dict(before.configuration if configuration is None else configuration)
    actions = [delta_log.protocol(columns), delta_log.metadata(before.table_id, columns, properties)]
    now = replace(before, columns=tuple(columns), configuration=properties)
    return put_or_undo(now, commit, actions, before.files, [])


def restore(before: Snapshot, version: int, commit: Commit) -> Snapshot:
    """Make the table what it was at `version`. Raises InvalidParameterValue (its files are gone), ResourceConflict."""
    then = read(before.folder, version)
    missing = [file.name for file in then.files if not (before.folder / file.name).exists()]
    if missing:
        raise InvalidParameterValue(f"Version {version} cannot be restored: {len(missing)} of its files were removed by VACUUM.")
    removed = [file for file in before.files if file not in then.files]
    added = [file for file in then.files if file not in before.files]
    actions = [
        delta_log.protocol(then.columns),
        delta_log.metadata(before.table_id, then.columns, then.configuration),
        *(remove_action(file) for file in removed),
        *(add_action(file) for file in added),
    ]
    metrics = {"numRestoredFiles": len(added), "numRemovedFiles": len(removed), "tableSizeAfterRestore": then.size_bytes}
    now = replace(before, columns=then.columns, configuration=then.configuration)
    return put_or_undo(now, replace(commit, metrics=metrics), actions, then.files, [])


def changes(folder: Path, first: int, last: int | None = None) -> pa.Table:
    """The change data feed of the versions `first` to `last`, both included: the rows, and `_change_type`, `_commit_version`,
    `_commit_timestamp`. Raises InvalidParameterValue when it was not recorded for one of them.
    """
    try:
        return pa.table(open_table(folder).load_cdf(starting_version=first, ending_version=last))
    except DeltaError as error:
        raise InvalidParameterValue(
            f"[DELTA_MISSING_CHANGE_DATA] The change data feed was not recorded for version {first} or a later one. Set "
            f"{CHANGE_FEED} to true; versions from then on have it. ({str(error).splitlines()[0][:200]})"
        ) from None


def conflict(commit: Commit) -> ResourceConflict:
    return ResourceConflict(
        f"[DELTA_CONCURRENT_WRITE] {commit.operation}: another writer has changed the table meanwhile; nothing was written. "
        "Repeat it."
    )


def open_table(folder: Path, version: int | None = None) -> DeltaTable:
    """delta-rs's own handle on a version. Raises TableBroken, InvalidParameterValue (no such version)."""
    try:
        return DeltaTable(str(folder), version=version)
    except DeltaError as error:
        if version is None or isinstance(error, TableNotFoundError):
            raise TableBroken(str(error)) from error
        newest = int(DeltaTable(str(folder)).version())
        raise InvalidParameterValue(
            f"[DELTA_VERSION_NOT_FOUND] Cannot time travel Delta table to version {version}. Available versions: [0, {newest}]."
        ) from None


def _put(now: Snapshot, commit: Commit, actions: list[dict[str, Any]], files: tuple[DataFile, ...]) -> Snapshot:
    version = now.version + 1
    delta_log.put(now.folder, version, commit, actions)
    if version % CHECKPOINT_EVERY_VERSIONS == 0:
        _checkpoint(now.folder, version)
    return replace(now, version=version, files=tuple(sorted(files, key=lambda file: file.name)))


def put_or_undo(
    now: Snapshot, commit: Commit, actions: list[dict[str, Any]], files: tuple[DataFile, ...], written: list[DataFile]
) -> Snapshot:
    """Commit the version after `now`, which then has `files`; on a conflict what was written for it is deleted again."""
    try:
        return _put(now, commit, actions, files)
    except VersionTaken:
        delta_files.delete(now.folder, written)
        raise conflict(commit) from None


def _checkpoint(folder: Path, version: int) -> None:
    """So that opening the table reads few files; a table is whole without it."""
    try:
        DeltaTable(str(folder), version=version).create_checkpoint()
    except DeltaError:
        return
    log = folder / "_delta_log"
    for file in (*log.glob(f"{version:020}.checkpoint*.parquet"), log / "_last_checkpoint", log):
        delta_log.sync(file)


def check_may_remove(table: Snapshot) -> None:
    """Raises InvalidParameterValue for a table that only grows."""
    if table.configuration.get(APPEND_ONLY, "").lower() == "true":
        raise InvalidParameterValue(
            "[DELTA_CANNOT_MODIFY_APPEND_ONLY] This table is configured to only allow appends. "
            f"If you would like to permit updates or deletes, set '{APPEND_ONLY}' to 'false'."
        )


def add_action(file: DataFile) -> dict[str, Any]:
    return delta_log.add(file.name, file.size_bytes, file.rows)


def remove_action(file: DataFile) -> dict[str, Any]:
    return delta_log.remove(file.name, file.size_bytes, file.rows)


def _written(files: list[DataFile]) -> dict[str, int]:
    return {
        "numFiles": len(files),
        "numOutputRows": sum(file.rows for file in files),
        "numOutputBytes": sum(file.size_bytes for file in files),
    }
