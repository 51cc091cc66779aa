"""Looks features up before the model is asked: the client sends keys, the model gets complete rows.

All requests of a message together: their keys, one round trip to Redis, the feature functions, and from there on each request
is as if the client had sent everything. What the client did send is taken instead of what would be found. What is logged is what
she sent.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis

from sandbox.features.encoding import Pointer, read
from sandbox.features.plan import LookupPlan, TableLookup, misfit
from sandbox.replicas import feature_functions
from sandbox.replicas.feature_outputs import FeatureOutputs, trace
from sandbox.replicas.lookup_frames import Frame, Frames
from sandbox.replicas.online_rows import Found, Key, OnlineRows, Row
from sandbox.replicas.requests import InputError, Pending, RequestAnswer, failed, refused

logger = logging.getLogger(__name__)
NAN = float("nan")
NO_STORE = (
    "No suitable online store found for feature tables: {table}. The online table {online_table} {why}. If it was deleted or its "
    "source was created anew, publish the feature table again and update the endpoint's config."
)
EMPTY = "has no rows in the online store: it was deleted, or its rows are being copied anew"
AWAY = "The online store does not answer, so features cannot be looked up. Send the request again in a moment."
_AS_THEY_ARE = {"bigint", "int", "smallint", "tinyint", "string", "boolean"}
_UNREADABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


@dataclass
class Wanted:
    """What one request wants of one table."""

    frame: Frame
    keys: list[Key]
    """One for each row."""
    start: int
    """Where its rows begin among all that are asked for in the table."""


class Lookups:
    """The look-ups of one replica, by the plan of its entity."""

    def __init__(self, plan: LookupPlan, client: redis.Redis, *, is_spec: bool = False) -> None:
        """`is_spec`: what is found is the answer, for there is no model."""
        self._plan = plan
        self._frames = Frames(plan)
        self._rows = OnlineRows(client)
        self._finish = FeatureOutputs(plan).finish if is_spec else self._frames.complete

    def complete(self, requests: Sequence[Pending]) -> None:
        """Complete the bodies of the requests that have no answer yet; those that cannot be completed get theirs here."""
        try:
            self._complete(requests)
        except Exception as error:
            logger.exception("features could not be looked up")
            for request in requests:
                if not request.is_answered and not request.is_completed:
                    request.answer = failed("REPLICA_FAILED", type(error).__name__)

    def _complete(self, requests: Sequence[Pending]) -> None:
        frames = [frame for request in requests if not request.is_answered and (frame := self._read(request)) is not None]
        self._look_up(frames)
        for call in self._plan.functions:
            feature_functions.compute(call, frames, self._plan.types)
        for frame in frames:
            if not frame.request.is_answered:
                if self._plan.is_traced:
                    trace(frame, self._plan)
                self._finish(frame)

    def _read(self, request: Pending) -> Frame | None:
        try:
            return self._frames.read(request)
        except InputError as error:
            request.answer = refused(error)
        except _UNREADABLE:
            request.answer = refused(InputError("BAD_REQUEST", "The request's body is no table of columns and rows."))
        return None

    # --- tables --------------------------------------------------------------------------------

    def _look_up(self, frames: list[Frame]) -> None:
        """Add the features of every table to every frame that lacks one of them."""
        wanted = [self._wanted(table, frames) for table in self._plan.tables]
        keys: dict[str, list[Key]] = {}
        for table, each in zip(self._plan.tables, wanted, strict=True):
            if not each:
                continue
            of_table = keys.setdefault(table.online_table_id, [])
            for one in each:
                one.start = len(of_table)
                of_table += one.keys
        if not keys:
            return
        try:
            found = self._rows.find(keys)
        except redis.RedisError as error:
            logger.warning("features could not be looked up: %s", error)
            _answer([frame for frame in frames if not frame.request.is_answered], AWAY)
            return
        for table, each in zip(self._plan.tables, wanted, strict=True):
            if each:
                self._fill(table, each, found[table.online_table_id])

    def _wanted(self, table: TableLookup, frames: list[Frame]) -> list[Wanted]:
        """Of those that do not bring all features of the table along."""
        wanted = []
        for frame in frames:
            if frame.request.is_answered or all(name in frame.columns for name in table.features.values()):
                continue
            missing = [name for name in table.key.values() if name not in frame.columns]
            if missing:
                frame.request.answer = refused(_lacks(table, missing))
            else:
                columns = [frame.columns[name] for name in table.key.values()]
                keys = [dict(zip(table.key, values, strict=True)) for values in zip(*columns, strict=True)]
                wanted.append(Wanted(frame, keys, 0))
        return wanted

    def _fill(self, table: TableLookup, wanted: list[Wanted], found: Found | None) -> None:
        try:
            if found is None:
                raise _NoStore(EMPTY)
            places = _places(table, found.pointer, self._plan.types)
        except _NoStore as why:
            sentence = NO_STORE.format(table=table.table, online_table=table.online_table, why=why)
            _answer([each.frame for each in wanted], sentence)
            return
        last = wanted[-1]
        there = [row for row in found.rows[wanted[0].start : last.start + len(last.keys)] if row is not None]
        features = [(name, _typed([row[place] for row in there], kind)) for name, place, kind in places]
        start = 0
        for each in wanted:
            rows, columns = found.rows[each.start : each.start + len(each.keys)], each.frame.columns
            is_whole = None not in rows
            end = start + (len(rows) if is_whole else len(rows) - rows.count(None))
            for name, values in features:
                if name not in columns:
                    of_frame = values[start:end]
                    columns[name] = of_frame if is_whole else _with_gaps(rows, of_frame, table.defaults.get(name))
            start = end


class _NoStore(Exception):
    """The table cannot be looked up in; the message is the end of a sentence about it."""


def _places(table: TableLookup, pointer: Pointer, types: dict[str, str]) -> list[tuple[str, int, str]]:
    """The model's name of each feature, where it stands in a row, and its SQL type. Raises _NoStore: it has changed."""
    columns = dict(zip(pointer.columns, pointer.types, strict=True))
    if why := misfit(table, pointer.key_columns, columns, types):
        raise _NoStore(why)
    at = {column: place for place, column in enumerate(columns)}
    return [(name, at[feature], columns[feature]) for feature, name in table.features.items()]


def _with_gaps(rows: list[Row | None], there: list[Any], default: Any) -> list[Any]:
    """One feature's values. Where no row has the key: the default, else None if no key of the request has one, else NaN."""
    gap = default if default is not None else NAN if there else None
    values = iter(there)
    return [gap if row is None else next(values) for row in rows]


def _typed(values: list[Any], kind: str) -> list[Any]:
    if kind in _AS_THEY_ARE or (kind in {"double", "float"} and str not in set(map(type, values))):
        return values
    return [read(value, kind) for value in values]


def _lacks(table: TableLookup, missing: list[str]) -> InputError:
    return InputError(
        "BAD_REQUEST",
        f"The request lacks the column '{missing[0]}', by which {', '.join(table.features.values())} "
        f"{'are' if len(table.features) > 1 else 'is'} looked up in {table.table}. Send it in every row.",
    )


def _answer(frames: list[Frame], sentence: str) -> None:
    body = orjson.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": sentence}).decode()
    for frame in frames:
        if not frame.request.is_answered:
            frame.request.answer = RequestAnswer(503, body)
