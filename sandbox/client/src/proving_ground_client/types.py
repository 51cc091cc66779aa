"""SQL type texts of Arrow columns."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

_SIMPLE: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (kinds.is_boolean, "boolean"),
    (kinds.is_int8, "tinyint"),
    (lambda kind: kinds.is_int16(kind) or kinds.is_uint8(kind), "smallint"),
    (lambda kind: kinds.is_int32(kind) or kinds.is_uint16(kind), "int"),
    (kinds.is_integer, "bigint"),
    (lambda kind: kinds.is_float16(kind) or kinds.is_float32(kind), "float"),
    (kinds.is_floating, "double"),
    (lambda kind: kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind), "string"),
    (kinds.is_date, "date"),
    (kinds.is_timestamp, "timestamp"),
    (lambda kind: kinds.is_binary(kind) or kinds.is_large_binary(kind), "binary"),
)


def sql_type(kind: Any, name: str) -> str:
    """`bigint`, `array<double>`, … Raises ValueError for what no table can hold; `name` is the column's, for the message."""
    if kinds.is_dictionary(kind):
        return sql_type(kind.value_type, name)
    if kinds.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if kinds.is_map(kind):
        return f"map<{sql_type(kind.key_type, name)},{sql_type(kind.item_type, name)}>"
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return f"array<{sql_type(kind.value_type, name)}>"
    if kinds.is_struct(kind):
        return f"struct<{','.join(f'{each.name}:{sql_type(each.type, name)}' for each in kind)}>"
    for is_kind, text in _SIMPLE:
        if is_kind(kind):
            return text
    raise ValueError(f"Column '{name}' has the type {kind}, which no table can hold. Convert it, for example with astype().")


def is_comparable(one: Any, other: Any) -> bool:
    """Whether values of the two types can be equal as keys: both numbers, both texts, both times, or the same type."""
    families: tuple[Callable[[Any], bool], ...] = (
        lambda kind: kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind),
        lambda kind: kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind),
        lambda kind: kinds.is_timestamp(kind) or kinds.is_date(kind),
    )
    one, other = (kind.value_type if kinds.is_dictionary(kind) else kind for kind in (one, other))
    return bool(one == other or kinds.is_null(one) or any(family(one) and family(other) for family in families))


def micros(column: Any, name: str) -> Any:
    """Times as whole microseconds since 1970 in UTC. Raises ValueError unless they are timestamps or dates."""
    if kinds.is_null(column.type):
        return column.cast(pa.int64())
    if not (kinds.is_timestamp(column.type) or kinds.is_date(column.type)):
        raise ValueError(f"Column '{name}' must hold timestamps or dates to look up by time; its type is {column.type}.")
    return column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
