"""A key that an online table really has, for example requests."""

from typing import Any

import orjson

from sandbox.connections import redis_client
from sandbox.features.encoding import read, rows_key
from sandbox.features.sync import current_pointer


def example_key(table_id: str) -> dict[str, Any]:
    """Column of the key -> value, of any row; empty when there is none. Raises redis.RedisError."""
    pointer = current_pointer(table_id)
    found: Any = pointer and redis_client().hrandfield(rows_key(table_id, pointer.generation))
    if pointer is None or not found:
        return {}
    values = zip(pointer.key_columns, orjson.loads(found), pointer.key_types, strict=True)
    return {name: _as_sent(read(value, kind)) for name, value, kind in values}


def _as_sent(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
