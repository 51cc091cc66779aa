"""Arguments of Python functions in the types of their parameters: the same for a statement and for a served feature.

SQL type -> Python type as Databricks documents them for Python functions: DATE is a date, TIMESTAMP a datetime with a zone (UTC
here), TIMESTAMP_NTZ one without, DECIMAL a Decimal, BINARY bytes. No Django here.
"""

import base64
import datetime as dt
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

_INTEGERS = {"bigint", "int", "smallint", "tinyint"}


def typed(values: Sequence[Any], kind: str) -> list[Any]:
    """Values that JSON or a table gave, as a function with a parameter of this SQL type gets them; None and NaN as they are.

    Raises ValueError for one that is no value of the type.
    """
    convert = _CONVERSIONS.get(kind.partition("(")[0])
    if convert is None:
        return list(values)
    try:
        return [value if value is None or value != value else convert(value) for value in values]
    except (TypeError, InvalidOperation, OverflowError) as error:
        raise ValueError(f"A value is no {kind}.") from error


def _double(value: Any) -> float:
    if isinstance(value, str):
        raise TypeError
    return float(value)


def _single(value: Any) -> float:
    number = _double(value)
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _integer(value: Any) -> int:
    if isinstance(value, str) or int(value) != value:
        raise TypeError
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value[:10])


def _moment(value: Any) -> dt.datetime:
    moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _local_moment(value: Any) -> dt.datetime:
    return _moment(value).replace(tzinfo=None)


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "double": _double,
    "float": _single,
    **dict.fromkeys(_INTEGERS, _integer),
    "string": _text,
    "date": _date,
    "timestamp": _moment,
    "timestamp_ntz": _local_moment,
    "decimal": _decimal,
    "binary": _bytes,
}


def as_json(value: Any, plain: Callable[[Any], Any]) -> Any:
    """A value so that `typed` finds all of it again; `plain` is for those that have no type above."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else plain(value)
