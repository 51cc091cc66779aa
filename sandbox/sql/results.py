"""Results as the statement API shows them: Databricks type names, and every value as text."""

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

_DAY_NS = 24 * 3600 * 10**9
_SIMPLE = {
    "boolean": ("BOOLEAN", "BOOLEAN"),
    "tinyint": ("BYTE", "TINYINT"),
    "smallint": ("SHORT", "SMALLINT"),
    "integer": ("INT", "INT"),
    "bigint": ("LONG", "BIGINT"),
    # sums of whole numbers; Databricks gives BIGINT
    "hugeint": ("LONG", "BIGINT"),
    "utinyint": ("SHORT", "SMALLINT"),
    "usmallint": ("INT", "INT"),
    "uinteger": ("LONG", "BIGINT"),
    "ubigint": ("LONG", "BIGINT"),
    "float": ("FLOAT", "FLOAT"),
    "double": ("DOUBLE", "DOUBLE"),
    "date": ("DATE", "DATE"),
    "timestamp": ("TIMESTAMP", "TIMESTAMP"),
    "timestamp with time zone": ("TIMESTAMP", "TIMESTAMP"),
    "blob": ("BINARY", "BINARY"),
    "interval": ("INTERVAL", "INTERVAL"),
    "null": ("NULL", "VOID"),
}


def databricks_type(duckdb_type: Any) -> tuple[str, str]:
    """`type_name` and `type_text` of a DuckDBPyType."""
    kind = duckdb_type.id
    if kind == "decimal":
        (_, precision), (_, scale) = duckdb_type.children
        return "DECIMAL", f"DECIMAL({precision},{scale})"
    if kind in {"list", "array"}:
        return "ARRAY", f"ARRAY<{databricks_type(duckdb_type.children[0][1])[1]}>"
    if kind == "map":
        (_, key), (_, value) = duckdb_type.children
        return "MAP", f"MAP<{databricks_type(key)[1]}, {databricks_type(value)[1]}>"
    if kind == "struct":
        return "STRUCT", f"STRUCT<{', '.join(f'{name}: {databricks_type(child)[1]}' for name, child in duckdb_type.children)}>"
    return _SIMPLE.get(kind, ("STRING", "STRING"))


def text_of(value: Any) -> str | None:
    """A value as JSON_ARRAY results spell it; None is NULL."""
    if value is None or isinstance(value, str):
        return value
    simple = plain(value)
    if isinstance(simple, bool | list | dict):
        return json.dumps(simple, ensure_ascii=False)
    return str(simple)


def plain(value: Any) -> Any:
    """The value with nothing in it that JSON does not know."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "nanoseconds"):
        return _interval(value)
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # Arrow's form of a map
            return {str(plain(key)): plain(item) for key, item in value}
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def _interval(value: Any) -> str:
    """Arrow's (months, days, nanoseconds) as Databricks spells the two kinds of intervals: `1-2`, `1 02:03:04.000000000`."""
    years = f"{'-' if value.months < 0 else ''}{abs(value.months) // 12}-{abs(value.months) % 12}"
    if not value.days and not value.nanoseconds and value.months:
        return years
    total = value.days * _DAY_NS + value.nanoseconds
    days, rest = divmod(abs(total), _DAY_NS)
    seconds, nanoseconds = divmod(rest, 10**9)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{nanoseconds:09}"
    day_time = f"{'-' if total < 0 else ''}{days} {clock}"
    return f"{years} {day_time}" if value.months else day_time


def arrow_values(values: list[Any], type_text: str) -> Any:
    """JSON values as an Arrow column of a Databricks type, as a function of that type returns them."""
    import pyarrow as pa

    kind = type_text.strip().upper()
    simple = {
        "STRING": pa.string(),
        "BOOLEAN": pa.bool_(),
        "TINYINT": pa.int8(),
        "SMALLINT": pa.int16(),
        "INT": pa.int32(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "LONG": pa.int64(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
    }
    if kind in simple:
        return pa.array(values, simple[kind])
    if kind.startswith("DECIMAL"):
        precision, _, scale = kind.removeprefix("DECIMAL").strip("()").partition(",")
        exact = [None if value is None else Decimal(str(value)) for value in values]
        return pa.array(exact, pa.decimal128(int(precision or 10), int(scale or 0)))
    if kind == "DATE":
        return pa.array([None if value is None else dt.date.fromisoformat(str(value)[:10]) for value in values], pa.date32())
    if kind.startswith("TIMESTAMP"):
        times = [None if value is None else dt.datetime.fromisoformat(str(value)) for value in values]
        return pa.array(times, pa.timestamp("us", tz=None if kind.endswith("NTZ") else "UTC"))
    if kind == "BINARY":
        return pa.array([None if value is None else base64.b64decode(value) for value in values], pa.binary())
    return pa.array(values)
