"""UPDATE, DELETE and MERGE of a Delta table: files with changed rows are written anew, and the change feed says what happened."""

from dataclasses import replace

import pyarrow as pa

from sandbox.catalog import delta_files, delta_log
from sandbox.catalog.delta import RowChanges, Snapshot, add_action, check_may_remove, put_or_undo, remove_action
from sandbox.catalog.delta_log import Commit
from sandbox.errors import InvalidParameterValue, ResourceConflict


def change_rows(before: Snapshot, changes: RowChanges, commit: Commit) -> Snapshot:
    """Delete, update and insert rows of exactly this version, in one commit. Raises ResourceConflict."""
    check_may_remove(before)
    after = _fitted(changes.after, before.schema)
    inserted = _fitted(changes.inserted, before.schema)
    touched = [file for file in before.files if changes.deleted.get(file.name) or changes.updated.get(file.name)]
    _check_positions(before, changes, after.num_rows)
    gone, old, kept = [], [], []
    for file in touched:
        deleted, updated = changes.deleted.get(file.name, []), changes.updated.get(file.name, [])
        rows = delta_files.read(before.folder, file, before.schema)
        taken, rest = delta_files.split(rows, [*deleted, *updated])
        gone.append(taken.slice(0, len(deleted)))
        old.append(taken.slice(len(deleted)))
        kept.append(rest)
    order = [name for name in changes.updated if changes.updated[name]]
    old_in_order = [old[[file.name for file in touched].index(name)] for name in order]
    new_rows = pa.concat_tables([*kept, after, inserted])
    files = delta_files.write(before.folder, before.schema, new_rows)
    actions = [remove_action(file) for file in touched] + [add_action(file) for file in files]
    if before.has_change_feed:
        feed = _feed(pa.concat_tables([*gone, after.schema.empty_table()]), old_in_order, after, inserted)
        if feed.num_rows:
            written = delta_files.write_changes(before.folder, feed)
            actions.append(delta_log.change(written.name, written.size_bytes))
    metrics = {
        "numTargetRowsDeleted": sum(map(len, changes.deleted.values())),
        "numTargetRowsUpdated": after.num_rows,
        "numTargetRowsInserted": inserted.num_rows,
        "numTargetFilesRemoved": len(touched),
        "numTargetFilesAdded": len(files),
    }
    untouched = tuple(file for file in before.files if file not in touched)
    return put_or_undo(before, replace(commit, metrics=metrics), actions, (*untouched, *files), files)


def _check_positions(before: Snapshot, changes: RowChanges, after_rows: int) -> None:
    rows_of = {file.name: file.rows for file in before.files}
    for name in {*changes.deleted, *changes.updated}:
        positions = [*changes.deleted.get(name, []), *changes.updated.get(name, [])]
        if len(set(positions)) != len(positions):
            raise InvalidParameterValue(
                "[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot perform Merge as multiple source rows matched "
                "and attempted to modify the same target row in the Delta table."
            )
        if positions and not all(0 <= position < rows_of.get(name, 0) for position in positions):
            raise ResourceConflict(f"Version {before.version} of the table has no such row in {name}. Read it anew and repeat.")
    if sum(map(len, changes.updated.values())) != after_rows:
        raise InvalidParameterValue("As many rows as are updated must be given as they are afterwards.")


def _feed(gone: pa.Table, old: list[pa.Table], after: pa.Table, inserted: pa.Table) -> pa.Table:
    before = pa.concat_tables([*old, after.schema.empty_table()])
    kinds = (("delete", gone), ("update_preimage", before), ("update_postimage", after), ("insert", inserted))
    return pa.concat_tables(
        rows.append_column("_change_type", pa.array([kind] * rows.num_rows, pa.string())) for kind, rows in kinds
    )


def _fitted(rows: pa.Table | None, schema: pa.Schema) -> pa.Table:
    return schema.empty_table() if rows is None else delta_files.fitted(rows, schema)
