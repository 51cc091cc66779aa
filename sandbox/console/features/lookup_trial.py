"""Looks features up as a replica would now, by the same code, and says of each value where it came from."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
import redis

from sandbox.catalog import access, securables
from sandbox.catalog.models import SecurableType
from sandbox.connections import redis_client
from sandbox.errors import ApiError
from sandbox.features.encoding import read
from sandbox.features.plan import LookupPlan, TableLookup
from sandbox.replicas.lookups import Lookups
from sandbox.replicas.online_rows import Found, OnlineRows
from sandbox.replicas.requests import Pending
from sandbox.workspaces.members import Caller

TIMEOUT_S = 10.0
AWAY = "The online store does not answer now. Try again in a moment."
Json = dict[str, Any]


@dataclass(frozen=True)
class Value:
    """One column of one row. `origin`: sent, looked up, default, no row, or computed."""

    name: str
    origin: str
    value: Any
    is_input: bool
    source: str = ""
    """The online table, or the function."""

    @property
    def text(self) -> str:
        return shown_value(self.value)


@dataclass(frozen=True)
class Trial:
    """The rows with everything that was found, or why nothing was."""

    rows: tuple[tuple[Value, ...], ...] = ()
    problem: str = ""


def shown_value(value: Any) -> str:
    """None, NaN, numbers and texts told apart."""
    if value is None:
        return "None"
    if isinstance(value, float):
        return "NaN" if value != value else repr(value)
    return value if isinstance(value, str) else str(value)


def why_not(caller: Caller, plan: LookupPlan) -> str:
    """What keeps the person from seeing the values; empty when nothing does."""
    needed = [(SecurableType.TABLE, table.table, "SELECT") for table in plan.tables]
    needed += [(SecurableType.FUNCTION, call.name, "EXECUTE") for call in plan.functions]
    for kind, name, privilege in dict.fromkeys(needed):
        try:
            access.require(caller, securables.find(caller.workspace, kind, securables.quoted(name.split("."))), privilege)
        except ApiError as error:
            return error.message
    return ""


def everything(plan: LookupPlan) -> LookupPlan:
    """The same plan for a model that would take every column, so that nothing that is found is left out."""
    columns = dict.fromkeys([*plan.inputs, *plan.sent, *plan.found])
    return replace(plan, inputs=tuple(columns), is_traced=False)


def look_up(workspace_id: str, plan: LookupPlan, records: Sequence[Json]) -> Trial:
    """One request with these rows. Whoever calls this has asked `why_not`."""
    completed = complete(workspace_id, everything(plan), records)
    if isinstance(completed, str):
        return Trial(problem=completed)
    try:
        found = rows_of(plan, records)
    except redis.RedisError:
        return Trial(problem=AWAY)
    return Trial(
        tuple(
            tuple(_values(plan, record, row, found, at)) for at, (record, row) in enumerate(zip(records, completed, strict=True))
        )
    )


def complete(workspace_id: str, plan: LookupPlan, records: Sequence[Json]) -> list[Json] | str:
    """The rows as the model would be given them, or the sentence of the refusal."""
    now_s = time.time()
    body = json.dumps({"dataframe_records": list(records)})  # NaN stays NaN, which replicas read
    request = Pending("console", body, workspace_id, "", "", now_s, now_s + TIMEOUT_S)
    Lookups(plan, redis_client()).complete([request])
    if request.is_answered:
        return str(orjson.loads(request.answer.body).get("message", "The features could not be looked up."))
    split = request.payload["dataframe_split"]
    return [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]


def rows_of(plan: LookupPlan, records: Sequence[Json]) -> dict[int, Found | None]:
    """By position of the table in the plan, for tables whose whole key was sent. Raises redis.RedisError."""
    rows = OnlineRows(redis_client())
    found: dict[int, Found | None] = {}
    for at, table in enumerate(plan.tables):
        keys = [{theirs: record.get(ours) for theirs, ours in table.key.items()} for record in records]
        if all(ours in record for record in records for ours in table.key.values()):
            found[at] = rows.find({table.online_table_id: keys})[table.online_table_id]
    return found


def _values(plan: LookupPlan, record: Json, row: Json, found: dict[int, Found | None], at: int) -> list[Value]:
    inputs = set(plan.inputs)
    values: dict[str, Value] = {}
    for name in plan.sent:
        if name in record:
            values[name] = Value(name, "sent", record[name], name in inputs)
    for place, table in enumerate(plan.tables):
        for feature, name in table.features.items():
            if name in record:
                values[name] = Value(name, "sent", record[name], name in inputs, "instead of what would be found")
            else:
                values[name] = _looked_up(table, feature, name, found.get(place), at, row.get(name), name in inputs)
    for call in plan.functions:
        if call.output in record:
            values[call.output] = Value(
                call.output, "sent", record[call.output], call.output in inputs, "instead of what would be computed"
            )
        else:
            values[call.output] = Value(call.output, "computed", row.get(call.output), call.output in inputs, call.name)
    order = [*plan.inputs, *(name for name in values if name not in inputs)]
    return [values[name] for name in order if name in values]


def _looked_up(table: TableLookup, feature: str, name: str, found: Found | None, at: int, given: Any, is_input: bool) -> Value:
    row = None if found is None else found.rows[at]
    if found is None or row is None:
        default = table.defaults.get(name)
        if default is not None:
            return Value(name, "default", default, is_input, f"no row of {table.online_table} has this key")
        others = found is not None and any(each is not None for each in found.rows)
        return Value(name, "no row", float("nan") if others else None, is_input, table.online_table)
    place = found.pointer.columns.index(feature)
    return Value(name, "looked up", read_stored(row[place], found.pointer.types[place]), is_input, table.online_table)


def read_stored(value: Any, kind: str) -> Any:
    """A value of an online row as Python has it."""
    return value if kind in {"string", "boolean", "bigint", "int", "smallint", "tinyint"} else read(value, kind)
