"""Arguments of Python functions: the same Python value whether it comes as JSON, from a table, or over the jail's pipe."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest

from sandbox.sql.function_values import as_json, typed
from sandbox.sql.results import plain

NOON = dt.datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=dt.UTC)
CASES: list[tuple[str, Any, Any]] = [
    ("double", 3, 3.0),
    ("double", Decimal("1.5"), 1.5),
    ("float", 1.1, 1.100000023841858),
    ("float", 1e300, math.inf),
    ("bigint", 3.0, 3),
    ("bigint", 2**53 + 1, 2**53 + 1),
    ("string", 7, "7"),
    ("string", True, "true"),
    ("date", "2026-01-02", dt.date(2026, 1, 2)),
    ("date", dt.date(2026, 1, 2), dt.date(2026, 1, 2)),
    ("date", NOON, dt.date(2026, 1, 2)),
    ("timestamp", "2026-01-02T13:00:00.123456+01:00", NOON),
    ("timestamp", "2026-01-02 12:00:00.123456", NOON),
    ("timestamp", dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
    ("timestamp_ntz", NOON, NOON.replace(tzinfo=None)),
    ("decimal(10,2)", 1.5, Decimal("1.5")),
    ("decimal(10,2)", "1.50", Decimal("1.50")),
    ("binary", "AP8=", b"\x00\xff"),
    ("array<double>", [1, 2.5], [1, 2.5]),
    ("double", None, None),
]


@pytest.mark.parametrize(("kind", "given", "wanted"), CASES)
def test_each_type_from_whatever_it_comes_as(kind: str, given: Any, wanted: Any) -> None:
    [found] = typed([given], kind)
    assert (found, type(found)) == (wanted, type(wanted))
    [again] = typed([as_json(found, plain)], kind)
    assert (again, type(again)) == (wanted, type(wanted)), "over the pipe"


def test_nan_stays_apart_from_null() -> None:
    found = typed([math.nan, None], "bigint")
    assert math.isnan(found[0])
    assert found[1] is None


@pytest.mark.parametrize(
    ("kind", "given"), [("double", "3"), ("int", 2.5), ("date", "monday"), ("decimal(4,2)", "x"), ("timestamp", 5)]
)
def test_what_is_no_value_of_the_type_is_refused(kind: str, given: Any) -> None:
    with pytest.raises(ValueError, match=r"no |Invalid"):
        typed([given], kind)
