"""Look-ups: for each row of the data the row of a feature table that has its keys, as of its time where that is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa

from proving_ground_client.types import is_comparable, micros


@dataclass(frozen=True)
class AsOf:
    """Which times count: the newest feature row that is not later than the data row, and no older than `lookback`."""

    data_column: str
    table_column: str
    lookback: timedelta | None = None


def positions(data: pa.Table, table: pa.Table, keys: Mapping[str, str], as_of: AsOf | None = None) -> pa.Array:
    """For each data row the position of its row in `table`, null where there is none.

    A null key, or a null time, finds nothing. Of rows with the same keys (and time) the last one counts.

    Args:
        data: the rows to find features for.
        table: the feature table's rows, at least its key columns.
        keys: column of the table -> column of the data.
        as_of: None to look up by keys only.

    Raises:
        ValueError: types of keys that cannot be equal; a time column that holds no times.
    """
    _check_types(data, table, keys)
    names = [f"k{number}" for number in range(len(keys))]
    wanted = {"r": pa.array(range(data.num_rows), pa.int64())} | _columns(names, data, keys.values())
    known = {"pos": pa.array(range(table.num_rows), pa.int64())} | _columns(names, table, keys)
    if as_of is not None:
        wanted["t"] = micros(data[as_of.data_column], as_of.data_column)
        known["t"] = micros(table[as_of.table_column], as_of.table_column)
    with duckdb.connect(":memory:") as connection:
        connection.register("wanted", pa.table(wanted))
        connection.register("known", pa.table(known))
        found = connection.sql(_query(names, as_of)).to_arrow_table()
    return found["pos"].combine_chunks()


def look_up(table: pa.Table, found: pa.Array, features: Sequence[str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The features' columns at the found positions; `defaults` (by the table's name) where nothing was found."""
    columns: dict[str, Any] = {}
    for feature in features:
        column = table[feature].take(found)
        if feature in defaults:
            default = pa.scalar(defaults[feature], column.type)
            column = pa.compute.if_else(pa.compute.is_null(found), default, column)
        columns[feature] = column
    return columns


def _columns(names: Sequence[str], rows: pa.Table, of: Any) -> dict[str, Any]:
    return {name: _plain(rows[column]) for name, column in zip(names, of, strict=True)}


def _plain(column: Any) -> Any:
    """Texts without a dictionary, times at one resolution and in one zone."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.timestamp("us"), safe=False) if pa.types.is_timestamp(column.type) else column


def _query(names: Sequence[str], as_of: AsOf | None) -> str:
    keys = ", ".join([*names, *(["t"] if as_of else [])])
    one_each = f"SELECT {keys}, max(pos) AS pos FROM known GROUP BY {keys}"  # noqa: S608 - names of our own
    same = " AND ".join(f"d.{name} = f.{name}" for name in names)
    if as_of is None:
        return f"SELECT f.pos FROM wanted d LEFT JOIN ({one_each}) f ON {same} ORDER BY d.r"  # noqa: S608 - names of our own
    pos = "f.pos"
    if as_of.lookback is not None:
        pos = f"CASE WHEN d.t - f.t <= {as_of.lookback // timedelta(microseconds=1)} THEN f.pos END AS pos"
    return f"SELECT {pos} FROM wanted d ASOF LEFT JOIN ({one_each}) f ON {same} AND d.t >= f.t ORDER BY d.r"  # noqa: S608 - names of our own


def _check_types(data: pa.Table, table: pa.Table, keys: Mapping[str, str]) -> None:
    for theirs, ours in keys.items():
        one, other = data.schema.field(ours).type, table.schema.field(theirs).type
        if not is_comparable(one, other):
            raise ValueError(
                f"Lookup key '{ours}' of the data has the type {one}, key '{theirs}' of the feature table {other}. "
                "Convert one of them."
            )
