"""Features as score_batch reads them: from the Delta table as it is now, by the site's SQL, as the person who asks."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sandbox.catalog import securables, table_rows
from sandbox.catalog.models import SecurableType
from sandbox.console.catalog.code import sql_name
from sandbox.features.plan import LookupPlan, TableLookup
from sandbox.replicas.lookup_frames import as_json
from sandbox.sql.job import ParameterValue
from sandbox.sql.limits import PAGE_LIMITS, SqlFailed
from sandbox.sql.run import run_statement
from sandbox.workspaces.members import Caller

Json = dict[str, Any]


@dataclass(frozen=True)
class Offline:
    """One table's rows for the asked keys, in their order; None where no row has the key."""

    table: str
    version: int
    rows: tuple[Json | None, ...]
    outside: tuple[str, ...]
    """Of a time series: why score_batch leaves the latest row out; else empty."""


def first_keys(caller: Caller, table: TableLookup, count: int) -> list[Json]:
    """Keys of the table's first rows, by the names of the request's columns. Raises SqlFailed."""
    names = ", ".join(map(quoted, table.key))
    sql = f"SELECT DISTINCT {names} FROM {sql_name(table.table)} ORDER BY {names} LIMIT {count}"  # noqa: S608 - quoted names
    return [{table.key[theirs]: as_json(value) for theirs, value in row.items()} for row in _rows(caller, sql, ())]


def records(caller: Caller, plan: LookupPlan, count: int, constants: Json) -> list[Json]:
    """What a client would send: keys of rows that are there; what is no key is the same in every row. Raises SqlFailed."""
    made: list[Json] = []
    for table in plan.tables:
        ours = set(table.key.values())
        if made and ours <= set(made[0]):
            continue
        keys = first_keys(caller, table, count)
        if not made:
            made = keys
        elif keys:  # another key: row by row beside the first one's, from the beginning again when there are fewer
            made = [{**keys[at % len(keys)], **record} for at, record in enumerate(made)]
    return [{**constants, **record} for record in made]


def offline_features(caller: Caller, table: TableLookup, lookback_s: float | None, asked: Sequence[Json]) -> Offline:
    """The features of the table for each row. Raises SqlFailed, ApiError."""
    name = securables.quoted(table.table.split("."))
    found = table_rows.snapshot(caller, name)
    detail = securables.find(caller.workspace, SecurableType.TABLE, name).table
    series = next(iter(detail.timeseries_columns), "")
    types = {column.name: column.type_text for column in found.columns}
    parameters: list[ParameterValue] = []
    conditions = [_condition(record, table, types, parameters) for record in asked]
    wanted = list(dict.fromkeys([*table.key, *table.features, *([series] if series else [])]))
    sql = (
        f"SELECT {', '.join(map(quoted, wanted))} FROM {sql_name(table.table)} VERSION AS OF {found.version} "  # noqa: S608 - quoted
        f"WHERE {' OR '.join(dict.fromkeys(conditions))}"
    )
    by_key: dict[tuple[Any, ...], list[Json]] = {}
    for row in _rows(caller, sql, parameters):
        by_key.setdefault(tuple(str(as_json(row[theirs])) for theirs in table.key), []).append(row)
    chosen = [
        _latest(by_key.get(tuple(str(record[ours]) for ours in table.key.values()), []), series, lookback_s) for record in asked
    ]
    return Offline(table.table, found.version, tuple(row for row, _ in chosen), tuple(why for _, why in chosen))


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _condition(record: Json, table: TableLookup, types: dict[str, str], parameters: list[ParameterValue]) -> str:
    """Values go in as parameters."""
    parts = []
    for theirs, ours in table.key.items():
        parts.append(f"{quoted(theirs)} = :k{len(parameters)}")
        value = record[ours]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parameters.append(ParameterValue(name=f"k{len(parameters)}", value=text, type=types[theirs].upper()))
    return f"({' AND '.join(parts)})"


def _latest(rows: list[Json], series: str, lookback_s: float | None) -> tuple[Json | None, str]:
    """Of a time series the latest row that is neither in the future nor older than the look-back window."""
    if not series:
        return (rows[0] if rows else None), ""
    now = dt.datetime.now(dt.UTC)
    ordered = sorted(rows, key=lambda row: _moment(row[series]))
    seen = [row for row in ordered if _moment(row[series]) <= now]
    why = (
        ""
        if len(seen) == len(ordered)
        else "The latest row lies in the future: score_batch leaves it out, the online copy has it."
    )
    if not seen:
        return None, why
    if lookback_s is not None and _moment(seen[-1][series]) < now - dt.timedelta(seconds=lookback_s):
        return None, "The latest row is older than the look-back window of the training set; serving takes it whatever its age."
    return seen[-1], why


def _moment(value: Any) -> dt.datetime:
    """Dates and times without a zone are UTC."""
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return dt.datetime.fromtimestamp(float(value), dt.UTC)


def _rows(caller: Caller, sql: str, parameters: Sequence[ParameterValue]) -> list[Json]:
    """With the types of Arrow. Raises SqlFailed."""
    parts: list[bytes] = []
    run_statement(caller, sql, parameters=parameters, limits=PAGE_LIMITS, keep=parts.append)
    rows: list[Json] = []
    for part in parts:
        try:
            table = pa.ipc.open_stream(part).read_all()
            table.validate(full=True)  # it comes from the jail, and Arrow believes what a stream says of itself
        except (pa.ArrowException, OSError):
            raise SqlFailed("The rows of the statement could not be read.", "INTERNAL_ERROR") from None
        rows += table.to_pylist()
    return rows
