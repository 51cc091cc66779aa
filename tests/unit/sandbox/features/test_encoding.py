"""Rows of online tables: what is written is what is read, value by value, in bulk as one by one."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.features.bulk import encode
from sandbox.features.encoding import NoKey, Pointer, key_field, read, stored

ARROW = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "decimal(10,2)": pa.decimal128(10, 2),
    "binary": pa.binary(),
    "array<double>": pa.list_(pa.float64()),
    "map<string,int>": pa.map_(pa.string(), pa.int32()),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "double": st.floats(),
    "float": st.floats(width=32),
    "string": st.text(),
    "boolean": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.just(dt.UTC)),
    "timestamp_ntz": st.datetimes(),
    "decimal(10,2)": st.decimals(-10_000, 10_000, places=2),
    "binary": st.binary(),
    "array<double>": st.lists(st.floats(), max_size=4),
    "map<string,int>": st.dictionaries(st.text(), st.integers(0, 9), max_size=3),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("kind", ARROW)
@given(data=st.data())
def test_what_is_written_is_read(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=5))
    rows = pa.table({"x": pa.array(values, ARROW[kind]), "n": pa.array(range(len(values)), pa.int64())})
    encoded = encode(rows, ["x", "n"], [kind, "bigint"])
    back = [read(orjson.loads(row)[0], kind) for row in encoded]
    assert all(map(same, back, values)), (back, values)


def test_a_number_that_is_none_stays_apart_from_null() -> None:
    rows = pa.table({"x": pa.array([math.nan, None, math.inf, -math.inf, 1.5])})
    assert encode(rows, ["x"], ["double"]) == [b'["NaN"]', b"[null]", b'["Infinity"]', b'["-Infinity"]', b"[1.5]"]


@pytest.mark.parametrize(
    ("value", "kind", "row"),
    [
        (7, "bigint", 7),
        (7.0, "int", 7),
        ("7590-VHVEG", "string", "7590-VHVEG"),
        (True, "boolean", True),
        ("2026-01-31", "date", dt.date(2026, 1, 31)),
        ("2026-01-31T10:00:00Z", "timestamp", dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)),
        ("2026-01-31T11:00:00+01:00", "timestamp", dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC)),
        (1.5, "double", 1.5),
    ],
)
def test_a_key_of_a_request_names_the_row_that_was_written(value: Any, kind: str, row: Any) -> None:
    assert key_field([value], [kind]) == encode(pa.table({"k": pa.array([row], ARROW[kind])}), ["k"], [kind])[0]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "bigint"),
        (math.nan, "bigint"),
        (1.5, "int"),
        ("7", "bigint"),
        (True, "int"),
        (7, "string"),
        ("soon", "date"),
        (0, "boolean"),
    ],
)
def test_what_can_be_no_key_is_said(value: Any, kind: str) -> None:
    with pytest.raises(NoKey):
        key_field([value], [kind])


def test_a_pointer_comes_back() -> None:
    pointer = Pointer(3, ("id",), ("bigint",), ("a", "b"), ("double", "map<string,int>"), 12, 100, 1.5)
    assert Pointer.from_json(pointer.to_json()) == pointer
    assert stored(Decimal("1.50"), "decimal(10,2)") == "1.50"
