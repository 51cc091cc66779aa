"""From the rows that UPDATE, DELETE and MERGE computed to the changes that the catalog commits."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sandbox.catalog.delta import RowChanges, Snapshot
from sandbox.errors import InvalidParameterValue

ROW_FILE, ROW_NUMBER = "__pg_file", "__pg_row"


def row_changes(before: Snapshot, tables: Mapping[str, Any]) -> tuple[RowChanges, dict[str, int]]:
    """The changes, and how many rows are updated, deleted and inserted. Raises InvalidParameterValue."""
    deleted = [table for name, table in tables.items() if name.endswith("deleted")]
    updated = [table for name, table in tables.items() if name.endswith("updated")]
    inserted = tables.get("inserted")
    after = pa.concat_tables(updated).sort_by([(ROW_FILE, "ascending"), (ROW_NUMBER, "ascending")]) if updated else None
    changes = RowChanges(
        deleted=_positions(before, deleted),
        updated=_positions(before, [after] if after is not None else []),
        after=after.drop_columns([ROW_FILE, ROW_NUMBER]) if after is not None else None,
        inserted=inserted,
    )
    counts = {
        "updated": after.num_rows if after is not None else 0,
        "deleted": sum(table.num_rows for table in deleted),
        "inserted": inserted.num_rows if inserted is not None else 0,
    }
    return changes, counts


def _positions(before: Snapshot, tables: list[Any]) -> dict[str, list[int]]:
    """Positions by data file, in the order in which the rows are sorted."""
    found: dict[str, list[int]] = {}
    for table in tables:
        for file, row in zip(table[ROW_FILE].to_pylist(), table[ROW_NUMBER].to_pylist(), strict=True):
            if not (isinstance(file, int) and 0 <= file < len(before.files)):
                raise InvalidParameterValue("The statement changed rows that the table does not have.")
            found.setdefault(before.files[file].name, []).append(row)
    return found
