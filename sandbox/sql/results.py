"""Results as the statement API shows them: Databricks type names, and every value as text."""

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

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
    plain = _plain(value)
    if isinstance(plain, bool | list | dict):
        return json.dumps(plain, ensure_ascii=False)
    return str(plain)


def _plain(value: Any) -> Any:
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
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):  # Arrow's form of a map
            return {str(_plain(key)): _plain(item) for key, item in value}
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)
