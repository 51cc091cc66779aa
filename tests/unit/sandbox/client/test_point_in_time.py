"""Look-ups against a slow, obvious implementation, over random tables with ties, nulls and windows."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proving_ground_client.point_in_time import AsOf, look_up, positions

START = datetime(2026, 1, 1)
ids = st.none() | st.integers(0, 3)
days = st.none() | st.integers(0, 6)
rows = st.lists(st.tuples(ids, st.sampled_from(["a", "b", None]), days), max_size=24)


def table(of: list[tuple[Any, Any, Any]], names: tuple[str, str, str]) -> pa.Table:
    times = [None if day is None else START + timedelta(days=day) for _, _, day in of]
    columns = [
        pa.array([row[0] for row in of], pa.int64()),
        pa.array([row[1] for row in of], pa.string()),
        pa.array(times, pa.timestamp("us")),
    ]
    return pa.table(columns, names=list(names)).append_column("value", pa.array(range(len(of)), pa.int64()))


def expected(data: Any, known: Any, window_days: int | None, *, by_time: bool) -> list[int | None]:
    """One data row after the other, one known row after the other."""
    found: list[int | None] = []
    for id_, name, day in data:
        best: tuple[int, int] | None = None
        for position, (other_id, other_name, other_day) in enumerate(known):
            if None in (id_, name, other_id, other_name) or (id_, name) != (other_id, other_name):
                continue
            if by_time:
                if day is None or other_day is None or other_day > day:
                    continue
                if window_days is not None and day - other_day > window_days:
                    continue
            candidate = (other_day if by_time else 0, position)
            best = candidate if best is None or candidate > best else best
        found.append(None if best is None else best[1])
    return found


@settings(max_examples=60, deadline=None)
@given(rows, rows, st.none() | st.integers(0, 4), st.booleans())
def test_as_the_obvious_implementation(data: Any, known: Any, window: int | None, by_time: bool) -> None:
    lookback = None if window is None else timedelta(days=window)
    found = positions(
        table(data, ("customer", "kind", "asked_at")),
        table(known, ("id", "name", "at")),
        {"id": "customer", "name": "kind"},
        AsOf("asked_at", "at", lookback) if by_time else None,
    )
    assert found.to_pylist() == expected(data, known, window, by_time=by_time)


def test_features_defaults_and_types() -> None:
    known = pa.table({"id": [1, 2], "score": pa.array([0.5, None]), "name": ["a", "b"], "n": pa.array([7, None], pa.int32())})
    found = positions(pa.table({"key": pa.array([2, 9, 1, None], pa.int32())}), known, {"id": "key"})
    columns = look_up(known, found, ["score", "name", "n"], {"score": 1, "n": 3})
    assert {name: column.to_pylist() for name, column in columns.items()} == {
        "score": [None, 1.0, 0.5, 1.0],  # a null that was found is no missing row
        "name": ["b", None, "a", None],
        "n": [None, 3, 7, 3],
    }
    assert columns["n"].type == pa.int32()


def test_times_of_every_kind_meet_in_utc() -> None:
    data = pa.table({"id": [1], "t": pa.array([datetime(2026, 1, 2, 1)], pa.timestamp("ns", tz="Europe/Berlin"))})
    known = pa.table({"id": [1, 1], "at": pa.array([datetime(2026, 1, 1), datetime(2026, 1, 2)]).cast(pa.date32())})
    exact = AsOf("t", "at", timedelta(0))
    assert positions(data, known, {"id": "id"}, AsOf("t", "at")).to_pylist() == [1]
    assert positions(data, known, {"id": "id"}, exact).to_pylist() == [None]


def test_keys_and_times_that_cannot_be_compared_are_named() -> None:
    known = pa.table({"id": [1], "at": ["monday"]})
    with pytest.raises(ValueError, match="Lookup key 'k' of the data has the type string, key 'id' of the feature table int64"):
        positions(pa.table({"k": ["1"]}), known, {"id": "k"})
    with pytest.raises(ValueError, match="Column 'at' must hold timestamps or dates"):
        positions(pa.table({"k": [1], "t": [START]}), known, {"id": "k"}, AsOf("t", "at"))
