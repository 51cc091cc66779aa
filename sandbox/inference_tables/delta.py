"""Delta tables of captured invocations: the one module that imports deltalake.

delta-rs records application transactions but does not refuse a repeated one, and it never calls fsync. So the check and
the write use the same handle (then a concurrent writer makes the commit fail), and we sync what was written ourselves.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("databricks_request_id", pa.string(), "STRING"),
    ("client_request_id", pa.string(), "STRING"),
    ("request_date", pa.date32(), "DATE"),
    ("request_time", pa.timestamp("us", tz="UTC"), "TIMESTAMP"),
    ("status_code", pa.int32(), "INT"),
    ("sampling_fraction", pa.float64(), "DOUBLE"),
    ("execution_duration_ms", pa.int64(), "BIGINT"),
    ("request", pa.string(), "STRING"),
    ("response", pa.string(), "STRING"),
    ("served_entity_id", pa.string(), "STRING"),
    ("requester", pa.string(), "STRING"),
    ("logging_error_codes", pa.list_(pa.string()), "ARRAY<STRING>"),
)
"""Name, Arrow type and SQL type of each column: the AI Gateway schema, in its documented order."""
SCHEMA = pa.schema([(name, arrow_type) for name, arrow_type, _ in COLUMNS])

PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    # bodies would otherwise be copied into the log as the minimum and maximum of each file
    "delta.dataSkippingStatsColumns": "request_date,request_time,status_code",
    "delta.logRetentionDuration": "interval 7 days",
}
CHECKPOINT_EVERY_VERSIONS = 100
SMALL_FILE_BYTES = 8 * 1024 * 1024
MAX_SMALL_FILES = 200
TARGET_FILE_BYTES = 64 * 1024 * 1024
VACUUM_RETENTION_H = 24
_RECENT_VERSIONS = 10

# rows can be 2 MiB each: small row groups keep what a reader must hold in memory small
_WRITER = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    max_row_group_size=2_000,
    # the least and the greatest body would stand in each page
    column_properties={name: ColumnProperties(statistics_enabled="NONE") for name in ("request", "response")},
)
# checkpoints are ours to make, because delta-rs would not sync them
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class TableBroken(Exception):
    """The table's own files cannot be read or written; the message may name paths and is for the log only."""


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of the current version of a table."""

    path: Path
    size_bytes: int
    rows: int
    newest_s: float
    """The latest request_time in it, seconds since the epoch."""


class CaptureTable:
    """One open table, for one writer process; `open` creates it when it is missing."""

    def __init__(self, path: Path, handle: DeltaTable, durable_version: int) -> None:
        self.path = path
        self._handle = handle
        self._durable_version = durable_version

    @classmethod
    def open(cls, path: Path) -> "CaptureTable":
        try:
            handle = DeltaTable(str(path))
        except TableNotFoundError:
            return cls(path, _create(path), -1)
        except DeltaError as error:
            raise TableBroken(str(error)) from error
        # whoever was killed here between commit and fsync left at most a few versions behind
        return cls(path, handle, max(-1, handle.version() - _RECENT_VERSIONS))

    @property
    def version(self) -> int:
        return int(self._handle.version())

    def is_current(self) -> bool:
        """Whether the handle's version still exists on disk (it does not after the table was deleted)."""
        return _log_file(self.path, self.version).exists()

    def applied(self, app_id: str) -> int:
        """The last transaction of `app_id` in the table, -1 when there is none."""
        version = self._handle.transaction_version(app_id)
        return -1 if version is None else int(version)

    def append(self, rows: pa.Table, app_id: str, transaction: int) -> None:
        """Append under (app_id, transaction); TableBroken when refused, also when another writer was faster."""
        try:
            write_deltalake(
                self._handle,
                rows,
                mode="append",
                writer_properties=_WRITER,
                commit_properties=CommitProperties(app_transactions=[Transaction(app_id, transaction)]),
                post_commithook_properties=_NO_HOOKS,
            )
        except DeltaError as error:
            raise TableBroken(str(error)) from error

    def make_durable(self) -> None:
        """Sync every file of the versions not yet synced, then read the table again from disk."""
        created = self._durable_version < 0
        files = set[Path]()
        for version in range(self._durable_version + 1, self.version + 1):
            files.update(_files_of_version(self.path, version))
        _sync(files)
        if created:
            _sync_parents(self.path)
        expected = self.version
        self._handle = DeltaTable(str(self.path))
        if self.version < expected:
            raise TableBroken(f"version {expected} was written, {self.version} was read back")
        self._durable_version = self.version


def _create(path: Path) -> DeltaTable:
    path.mkdir(parents=True, exist_ok=True)
    try:
        return DeltaTable.create(str(path), SCHEMA, mode="error", name=path.name, configuration=PROPERTIES)
    except DeltaError:  # another writer created it in this instant, or it is broken
        try:
            return DeltaTable(str(path))
        except DeltaError as error:
            raise TableBroken(str(error)) from error


def is_maintenance_due(before_version: int, after_version: int) -> bool:
    return before_version // CHECKPOINT_EVERY_VERSIONS != after_version // CHECKPOINT_EVERY_VERSIONS


def maintain(path: Path) -> bool:
    """Checkpoint the table, and compact it first when it has many small files; True when it was compacted.

    Safe beside a writer: compaction carries the application transactions along and appends rebase over it.
    """
    handle = DeltaTable(str(path))
    is_fragmented = sum(file.size_bytes < SMALL_FILE_BYTES for file in _data_files(handle, path)) > MAX_SMALL_FILES
    if is_fragmented:
        handle.optimize.compact(
            target_size=TARGET_FILE_BYTES,
            max_concurrent_tasks=1,
            writer_properties=_WRITER,
            post_commithook_properties=_NO_HOOKS,
        )
        _sync(_files_of_version(path, handle.version()))
    handle.create_checkpoint()
    log = path / "_delta_log"
    _sync([*log.glob(f"{handle.version():020}.checkpoint*.parquet"), log / "_last_checkpoint"])
    if is_fragmented:
        handle.vacuum(retention_hours=VACUUM_RETENTION_H, dry_run=False, enforce_retention_duration=False)
        handle.cleanup_metadata()
    return is_fragmented


def data_files(path: Path) -> list[DataFile]:
    """The files of the current version, newest first; empty when there is no such table."""
    try:
        return _data_files(DeltaTable(str(path)), path)
    except TableNotFoundError:
        return []
    except DeltaError as error:
        raise TableBroken(str(error)) from error


def is_table(path: Path) -> bool:
    return bool(DeltaTable.is_deltatable(str(path)))


def _data_files(handle: DeltaTable, path: Path) -> list[DataFile]:
    actions = pa.table(handle.get_add_actions(flatten=True))
    names = actions.column_names
    newest: list[Any] = actions["max.request_time"].to_pylist() if "max.request_time" in names else [None] * actions.num_rows
    files = [
        DataFile(path / name, size, rows or 0, time.timestamp() if time else 0.0)
        for name, size, rows, time in zip(
            actions["path"].to_pylist(),
            actions["size_bytes"].to_pylist(),
            actions["num_records"].to_pylist(),
            newest,
            strict=True,
        )
    ]
    return sorted(files, key=lambda file: file.newest_s, reverse=True)


def _log_file(path: Path, version: int) -> Path:
    return path / "_delta_log" / f"{version:020}.json"


def _files_of_version(path: Path, version: int) -> list[Path]:
    """The log file of a version and the data files that it adds; empty once the log was cleaned up."""
    log_file = _log_file(path, version)
    try:
        lines = log_file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    actions = (orjson.loads(line) for line in lines if line)
    return [*(path / action["add"]["path"] for action in actions if "add" in action), log_file]


def _sync(files: Iterable[Path]) -> None:
    """fsync the files, then the folders they are entered in."""
    folders = set[Path]()
    for file in files:
        try:
            _fsync(file)
        except FileNotFoundError:  # compacted and vacuumed since
            continue
        folders.add(file.parent)
    for folder in folders:
        _fsync(folder)


def _sync_parents(path: Path) -> None:
    """fsync the folders that a new table was entered in: schema, catalog, workspace, root."""
    for folder in (path, *list(path.parents)[:4]):
        _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
