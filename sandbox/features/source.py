"""What a sync reads of its source: whether there is something new, all rows by key, or the changes since a version."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.catalog import delta, tables
from sandbox.catalog.delta import Snapshot
from sandbox.catalog.models import Securable, SecurableType
from sandbox.errors import InvalidParameterValue
from sandbox.features.models import OnlineTable

BATCH_ROWS = 10_000
_POSITION = "_position"


class SourceGone(Exception):
    """The source was dropped, or dropped and made anew, or it cannot be synced any more; the message says what to do."""


@dataclass(frozen=True)
class Changes:
    """Rows to take away and rows to write, in the order in which both have to happen: one pair for each commit."""

    commits: tuple[tuple[pa.Table, pa.Table], ...]

    @property
    def rows(self) -> int:
        return sum(deleted.num_rows + written.num_rows for deleted, written in self.commits)


def folder_of(table: OnlineTable) -> Path:
    """Raises SourceGone."""
    found = Securable.objects.select_related("table", "workspace").filter(
        workspace=table.workspace, securable_type=SecurableType.TABLE, id=table.source_id
    )
    source = found.first()
    if source is None:
        again = Securable.objects.filter(
            workspace=table.workspace, securable_type=SecurableType.TABLE, full_name=table.source_name
        ).exists()
        what = "was dropped and created anew" if again else "does not exist any more"
        raise SourceGone(
            f"The source table {table.source_name} {what}. The rows stay as they were last; delete this online table and "
            "publish again."
        )
    return tables.folder_of(source)


def read(table: OnlineTable, version: int | None = None) -> Snapshot:
    """The source at a version. Raises SourceGone, also when it lost a column of the key."""
    try:
        snapshot = delta.read(folder_of(table), version)
    except delta.TableBroken as error:
        raise SourceGone(f"The source table {table.source_name} cannot be read. Restore or create it anew.") from error
    names = {column.name for column in snapshot.columns}
    missing = [name for name in (*table.primary_key, *filter(None, [table.timeseries_key])) if name not in names]
    if missing:
        raise SourceGone(
            f"The source table {table.source_name} has no column {missing[0]} any more, which rows are looked up by. "
            "Delete this online table and publish again."
        )
    return snapshot


def has_news(folder: Path, version: int) -> bool:
    """Whether the source has a later version: one look at the log, no table is opened."""
    return (folder / "_delta_log" / f"{version + 1:020}.json").exists()


def rows_by_key(snapshot: Snapshot, key: Sequence[str], timeseries_key: str) -> Iterator[pa.RecordBatch]:
    """All rows in batches; with a time-series column only the latest of each key (of several at one time, the last one)."""
    latest = _latest(snapshot, key, timeseries_key) if timeseries_key else None
    start = 0
    for batch in _batches(snapshot, snapshot.schema.names):
        if latest is None:
            yield batch
            continue
        wanted = batch.filter(latest.slice(start, batch.num_rows))
        start += batch.num_rows
        if wanted.num_rows:
            yield wanted


def changes(table: OnlineTable, snapshot: Snapshot, since: int) -> Changes | None:
    """What happened after version `since`; None when it has to be read as a whole.

    That is so without a change data feed over all of these versions, after a change of columns, and for a time series, where a
    deleted row may uncover an older one.
    """
    if table.timeseries_key or not snapshot.has_change_feed:
        return None
    try:
        before = delta.read(snapshot.folder, since)
        if before.columns != snapshot.columns:
            return None
        feed = delta.changes(snapshot.folder, since + 1, snapshot.version)
    except (InvalidParameterValue, delta.TableBroken):
        return None
    feed = _with_types(feed, snapshot)
    versions = sorted(set(feed["_commit_version"].to_pylist()))
    return Changes(tuple(_commit(feed.filter(pc.equal(feed["_commit_version"], version))) for version in versions))


def _with_types(feed: pa.Table, snapshot: Snapshot) -> pa.Table:
    """The feed's rows in the Arrow types of the table: delta-rs reads them as views, which cannot be filtered."""
    fields = [*snapshot.schema, pa.field("_change_type", pa.string()), pa.field("_commit_version", pa.int64())]
    return pa.table([feed[field.name].cast(field.type) for field in fields], names=[field.name for field in fields])


def _commit(feed: pa.Table) -> tuple[pa.Table, pa.Table]:
    gone = pc.is_in(feed["_change_type"], pa.array(["delete", "update_preimage"]))
    return feed.filter(gone), feed.filter(pc.invert(gone))


def _batches(snapshot: Snapshot, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([snapshot.schema.field(name) for name in columns])
    for file in snapshot.files:
        with pq.ParquetFile(snapshot.folder / file.name) as opened:
            there = [name for name in columns if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(BATCH_ROWS, columns=there):
                yield _completed(batch, schema)


def _completed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """With null for columns that the table got after the file was written."""
    found = set(batch.schema.names)
    columns = [
        batch.column(field.name).cast(field.type) if field.name in found else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _latest(snapshot: Snapshot, key: Sequence[str], timeseries_key: str) -> pa.BooleanArray:
    """For each row, in the order of reading, whether it is the latest of its key. Only these columns are in memory."""
    columns = [*key, timeseries_key]
    rows = pa.Table.from_batches(
        list(_batches(snapshot, columns)), schema=pa.schema([snapshot.schema.field(name) for name in columns])
    )
    rows = rows.append_column(_POSITION, pa.array(range(rows.num_rows), pa.int64()))
    order = pc.sort_indices(rows, sort_keys=[(timeseries_key, "ascending"), (_POSITION, "ascending")], null_placement="at_start")
    last = rows.take(order).group_by(list(key), use_threads=False).aggregate([(_POSITION, "last")])
    return pc.is_in(rows[_POSITION], last[f"{_POSITION}_last"]).combine_chunks()
