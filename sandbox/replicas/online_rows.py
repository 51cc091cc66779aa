"""Rows of online tables by key: one round trip to Redis for all keys of a message."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson
import redis

from sandbox.features.encoding import Pointer, key_field, pointer_key, rows_key

ATTEMPTS = 3
"""After a new generation the question is repeated; two more of them within a message do not happen."""
RETRY_S = 5.0
Key = dict[str, Any]
"""Column of the table's key -> value."""
Row = list[Any]
_NO_KEY = (ValueError, TypeError, ArithmeticError, AttributeError, KeyError, RecursionError)
"""What the encoding may raise for values that no column of the key's type holds; such a row is not there."""


@dataclass(frozen=True)
class Known:
    """A pointer as it was read last."""

    raw: bytes
    pointer: Pointer

    @property
    def layout(self) -> tuple[Any, ...]:
        """What a question depends on; a sync that applies changes in place leaves it as it is."""
        pointer = self.pointer
        return pointer.generation, pointer.key_columns, pointer.key_types, pointer.columns, pointer.types


@dataclass(frozen=True)
class Found:
    """The rows of one table: for each key the other columns in the pointer's order, None where there is no such row."""

    pointer: Pointer
    rows: list[Row | None]


class OnlineRows:
    """The replica's own connection for look-ups; may be used by several threads.

    Each question asks for the pointers too: while they are what they were, the rows that came with them are those of the tables
    as they are now. Only after a new generation does it ask a second time.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._connection: Any = client.connection_pool.make_connection()
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}

    def find(self, wanted: Mapping[str, Sequence[Key]]) -> dict[str, Found | None]:
        """By online table id, for the keys of each; None for a table that has no rows in the store, not even zero.

        Waits for Redis as long as a restart takes. Raises redis.RedisError.
        """
        give_up_s = time.monotonic() + RETRY_S
        while True:
            try:
                with self._lock:
                    return self._find(wanted)
            except redis.RedisError:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(0.1)

    def _find(self, wanted: Mapping[str, Sequence[Key]]) -> dict[str, Found | None]:
        for _ in range(ATTEMPTS):
            asked = {table: self._known[table] for table in wanted if table in self._known}
            fields = {table: [_field(key, known.pointer) for key in wanted[table]] for table, known in asked.items()}
            names = {table: list(dict.fromkeys(filter(None, each))) for table, each in fields.items()}
            replies = self._send(
                [
                    *(("GET", pointer_key(table)) for table in wanted),
                    *(
                        ("HMGET", rows_key(table, asked[table].pointer.generation), *each)
                        for table, each in names.items()
                        if each
                    ),
                ]
            )
            self._note(dict(zip(wanted, replies, strict=False)))
            if all(self._is_current(table, asked.get(table)) for table in wanted):
                break
        left = iter(replies[len(wanted) :])
        rows = {table: dict(zip(each, map(_row, next(left)), strict=True)) if each else {} for table, each in names.items()}
        return {
            table: Found(asked[table].pointer, [None if name is None else rows[table][name] for name in fields[table]])
            if table in self._known and table in asked
            else None
            for table in wanted
        }  # fmt: skip

    def _note(self, pointers: Mapping[str, bytes | None]) -> None:
        for table, raw in pointers.items():
            if raw is None:
                self._known.pop(table, None)
            elif table not in self._known or self._known[table].raw != raw:
                self._known[table] = Known(raw, Pointer.from_json(raw))

    def _is_current(self, table: str, asked: Known | None) -> bool:
        """Whether the question was asked with what the table is."""
        now = self._known.get(table)
        return now is None or now is asked or (asked is not None and now.layout == asked.layout)

    def _send(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        connection = self._connection
        try:
            connection.send_packed_command([b"".join(chain.from_iterable(connection.pack_command(*each) for each in commands))])
            return [connection.read_response() for _ in commands]
        except BaseException:
            connection.disconnect()  # what is still to be read must not be taken for the next one's
            raise


def _field(key: Key, pointer: Pointer) -> bytes | None:
    """The field of the hash; None for a key that no row can have."""
    try:
        return key_field([key[name] for name in pointer.key_columns], pointer.key_types)
    except _NO_KEY:
        return None


def _row(raw: bytes | None) -> Row | None:
    return None if raw is None else orjson.loads(raw)
