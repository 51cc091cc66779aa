"""Statements of the SQL API: submitted, run by threads of this process, waited for, fetched in chunks, canceled, remembered.

A statement belongs to the person who sent it: for everybody else it is a missing one. Its state is in Redis, so any web process
answers for it; the process that runs it says every few seconds that it lives, and a statement whose process died is FAILED.
[docs: Statement Execution API; SDK 0.156: StatementExecutionAPI]
"""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from sandbox.errors import ResourceDoesNotExist
from sandbox.sql import children, kept, live_statements, responses
from sandbox.sql import linked as files
from sandbox.sql.job import ParameterValue
from sandbox.sql.limits import DEFAULT_LIMITS, LINKED_LIMITS, SqlColumn, SqlLimits, SqlResult
from sandbox.sql.live_statements import ENDED, FAILED, Live
from sandbox.workspaces.members import Caller

CANCEL_TIMEOUT_S = 5.0


def execute(
    caller: Caller,
    statement: str,
    *,
    catalog: str | None = None,
    schema: str = "default",
    parameters: Sequence[ParameterValue] = (),
    row_limit: int | None = None,
    byte_limit: int | None = None,
    wait_timeout_s: float = 10.0,
    on_wait_timeout: str = "CONTINUE",
    linked: bool = False,
    base: str = "",
) -> dict[str, Any]:
    """Submit, and wait up to `wait_timeout_s` (0: not at all); the StatementResponse by then.

    `on_wait_timeout` is CONTINUE or CANCEL. With `linked` a query's rows come as Arrow behind links that begin with `base`.
    A statement that failed is an answer too. Raises RequestLimitExceeded.
    """
    statement_id = submit(
        caller,
        statement,
        catalog=catalog,
        schema=schema,
        parameters=parameters,
        row_limit=row_limit,
        byte_limit=byte_limit,
        linked=linked,
    )
    wait(statement_id, wait_timeout_s)
    response = get(caller, statement_id, base=base)
    if wait_timeout_s and on_wait_timeout == "CANCEL" and response["status"]["state"] not in ENDED:
        cancel(caller, statement_id)
        wait(statement_id, CANCEL_TIMEOUT_S)
        response = get(caller, statement_id, base=base)
    return response


def submit(
    caller: Caller,
    statement: str,
    *,
    catalog: str | None = None,
    schema: str = "default",
    parameters: Sequence[ParameterValue] = (),
    row_limit: int | None = None,
    byte_limit: int | None = None,
    linked: bool = False,
) -> str:
    """Have the statement run, and return its id at once. `catalog` None is the workspace's own. Raises RequestLimitExceeded."""
    most = LINKED_LIMITS if linked else DEFAULT_LIMITS
    limits = SqlLimits(
        max_rows=min(row_limit or most.max_rows, most.max_rows), max_bytes=min(byte_limit or most.max_bytes, most.max_bytes)
    )
    arguments: dict[str, Any] = {"catalog": catalog, "schema": schema, "parameters": list(parameters), "limits": limits}
    live = Live(caller, str(uuid.uuid4()), statement, arguments, _now_ms())
    if linked:
        arguments["keep"] = files.keeper(caller.workspace.id, caller.user.pk, live.statement_id)
    live_statements.begin(live)
    return live.statement_id


def wait(statement_id: str, timeout_s: float) -> None:
    """Until the statement has ended; at once when it runs in another process."""
    live = live_statements.find(statement_id)
    if live is not None:
        live.ended.wait(timeout_s)


def get(caller: Caller, statement_id: str, *, base: str = "") -> dict[str, Any]:
    """The StatementResponse, with the first chunk when it SUCCEEDED. Raises ResourceDoesNotExist, also after an hour."""
    found = _own(caller, statement_id)
    response: dict[str, Any] = {"statement_id": statement_id, "status": found["status"]}
    if "columns" not in found:
        return response
    if found.get("chunk_rows"):
        shape = (found["chunk_rows"], found["chunk_bytes"])
        manifest = responses.linked_manifest(found["columns"], *shape, truncated=found["truncated"])
        return {**response, "manifest": manifest, "result": _linked(caller, statement_id, found, 0, base)}
    manifest = responses.manifest(found["columns"], len(found["rows"]), truncated=found["truncated"])
    return {**response, "manifest": manifest, "result": responses.chunk(statement_id, found["rows"], 0)}


def get_chunk(caller: Caller, statement_id: str, chunk_index: int, *, base: str = "") -> dict[str, Any]:
    """One part of the rows (`responses.ROWS_PER_CHUNK`), and where the next one is. Raises ResourceDoesNotExist."""
    found = _own(caller, statement_id)
    if 0 <= chunk_index < len(found.get("chunk_rows", [])):
        return _linked(caller, statement_id, found, chunk_index, base)
    rows = None if found.get("chunk_rows") else found.get("rows")
    if rows is None or not 0 <= chunk_index < responses.chunk_count(len(rows)):
        raise ResourceDoesNotExist(f"The statement {statement_id[:100]} has no chunk {chunk_index}.")
    return responses.chunk(statement_id, rows, chunk_index)


def _linked(caller: Caller, statement_id: str, found: dict[str, Any], index: int, base: str) -> dict[str, Any]:
    address = files.link(base, caller.workspace.id, caller.user.pk, statement_id, index)
    return responses.linked_chunk(statement_id, found["chunk_rows"], found["chunk_bytes"], index, address)


def result_of(caller: Caller, statement_id: str) -> SqlResult | None:
    """The whole result for a page, None unless the statement SUCCEEDED. Raises ResourceDoesNotExist."""
    found = _own(caller, statement_id)
    if "columns" not in found:
        return None
    columns = tuple(SqlColumn(each["name"], each["type_name"], each["type_text"]) for each in found["columns"])
    return SqlResult(columns, found["rows"], found["truncated"], found["duration_ms"] / 1000, found["statement_type"])


def cancel(caller: Caller, statement_id: str) -> None:
    """Ask for the end of the statement; its process is killed at once, or within seconds when another web process runs it.

    No error for one that has ended. Raises ResourceDoesNotExist.
    """
    if _own(caller, statement_id)["status"]["state"] in ENDED:
        return
    live = live_statements.find(statement_id)
    if live is None:
        kept.ask_to_cancel(statement_id)
    else:
        live.stop.now()


def history(caller: Caller, *, everybody: bool = False) -> list[dict[str, Any]]:
    """Statements that ended, the last one first: the caller's own, or for an admin everybody's.

    Each: {"statement_id", "text", "user", "user_id", "state", "error", "error_code", "statement_type", "submitted_ms",
    "duration_ms", "rows"}.
    """
    entries = kept.history(caller.workspace.id)
    if everybody and caller.is_admin:
        return entries
    return [entry for entry in entries if entry["user_id"] == caller.user.pk]


def warm_up() -> None:
    """Have the first statement start sooner; for pages on which somebody is about to write one."""
    children.warm_up()


def _own(caller: Caller, statement_id: str) -> dict[str, Any]:
    found = kept.load(caller.workspace.id, statement_id)
    if found is None or found["user_id"] != caller.user.pk:
        raise ResourceDoesNotExist(f"The statement {statement_id[:100]} was not found.")
    if found["status"]["state"] not in ENDED and live_statements.find(statement_id) is None and not kept.is_alive(statement_id):
        return _lost(caller, statement_id, found)
    return found


def _lost(caller: Caller, statement_id: str, found: dict[str, Any]) -> dict[str, Any]:
    again = kept.load(caller.workspace.id, statement_id)  # it may have ended in between
    if again is not None and again["status"]["state"] in ENDED:
        return again
    sentence = (
        "The process that ran the statement ended. What it was to change has changed as a whole or not at all. Run it again."
    )
    found["status"] = {"state": FAILED, "error": {"error_code": "ABORTED", "message": sentence}}
    kept.save(caller.workspace.id, statement_id, found)
    return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
