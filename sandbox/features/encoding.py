"""How rows of an online table lie in Redis, and how they are read; imported by replicas, so without Django.

==================================  =================================================================================
``feat:table:<table id>``           the pointer: JSON of a `Pointer`; what it names is whole, whenever it is read
``feat:rows:<table id>:<number>``   one generation: a hash, field = key values, value = the other columns, both JSON lists
==================================  =================================================================================

A float that is no number is written as text (`"NaN"`, `"Infinity"`), so that it stays apart from null; timestamps are
microseconds and dates days since the epoch; decimals are texts, binary is base64.
"""

import base64
import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self

import orjson

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = dt.date(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)
_INTEGERS = {"bigint": 64, "int": 32, "smallint": 16, "tinyint": 8}
_FLOATS = {"double", "float"}
_TIMES = {"timestamp", "timestamp_ntz"}


@dataclass(frozen=True)
class Pointer:
    """What an online table is at this moment."""

    generation: int
    key_columns: tuple[str, ...]
    key_types: tuple[str, ...]
    columns: tuple[str, ...]
    """The other columns, in the order of a row's list."""
    types: tuple[str, ...]
    """SQL type texts, as the catalog keeps them."""
    source_version: int
    rows: int
    synced_at_s: float

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        kept: dict[str, Any] = orjson.loads(raw)
        lists: dict[str, Any] = {name: tuple(value) for name, value in kept.items() if isinstance(value, list)}
        return cls(**(kept | lists))


class NoKey(ValueError):
    """A value that cannot be a key of this type; no row has it."""


def pointer_key(table_id: str) -> str:
    return f"feat:table:{table_id}"


def rows_key(table_id: str, generation: int) -> str:
    return f"feat:rows:{table_id}:{generation}"


def key_field(values: Sequence[Any], types: Sequence[str]) -> bytes:
    """The field of a row: its key values as a JSON list. Raises NoKey for a value that no column of the type can hold."""
    return orjson.dumps([_key_value(value, kind) for value, kind in zip(values, types, strict=True)])


def _key_value(value: Any, kind: str) -> Any:
    if value is None or value != value:  # NaN
        raise NoKey
    if kind in _INTEGERS:
        return _integer(value)
    if kind == "string":
        if not isinstance(value, str):
            raise NoKey
        return value
    if kind == "boolean":
        if not isinstance(value, bool):
            raise NoKey
        return value
    return stored(_from_text(value, kind) if isinstance(value, str) else value, kind)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise NoKey
    return int(value)


def _from_text(value: str, kind: str) -> Any:
    """Dates and times as clients write them in JSON."""
    try:
        if kind == "date":
            return dt.date.fromisoformat(value[:10])
        if kind in _TIMES:
            return dt.datetime.fromisoformat(value)
        if kind in _FLOATS:
            raise NoKey
    except ValueError:
        raise NoKey from None
    return value


def stored(value: Any, kind: str) -> Any:
    """A column's value as the JSON of a row has it."""
    if value is None:
        return None
    if kind in _FLOATS:
        number = float(value)
        return number if math.isfinite(number) else _word(number)
    if kind in _INTEGERS or kind in {"string", "boolean"}:
        return value
    if kind in _TIMES:
        moment = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        return (moment - _EPOCH) // _MICROSECOND
    if kind == "date":
        return (value - _EPOCH_DAY).days
    return _nested(value)


def read(value: Any, kind: str) -> Any:
    """The Python value of what `stored` wrote."""
    if value is None:
        return None
    if kind in _FLOATS:
        return float(value)  # also of "NaN"
    if kind in _TIMES:
        moment = _EPOCH + value * _MICROSECOND
        return moment if kind == "timestamp" else moment.replace(tzinfo=None)
    if kind == "date":
        return _EPOCH_DAY + dt.timedelta(days=value)
    if kind.startswith("decimal"):
        return Decimal(value)
    if kind == "binary":
        return base64.b64decode(value)
    if kind.startswith("map<"):
        return dict(value)
    return _read_nested(value)


def _word(number: float) -> str:
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _nested(value: Any) -> Any:
    """Arrays, maps (Arrow gives lists of pairs), structs, and what JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": _word(value)}
    if isinstance(value, list | tuple):
        return [_nested(each) for each in value]
    if isinstance(value, dict):
        return {key: _nested(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return value


def _read_nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_read_nested(each) for each in value]
    if isinstance(value, dict):
        if set(value) == {"$float"}:
            return float(value["$float"])
        return {key: _read_nested(each) for key, each in value.items()}
    return value
