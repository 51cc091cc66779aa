"""Statements of the SQL API: submitted, run by threads of this process, waited for, fetched in chunks, canceled, remembered.

A statement belongs to the person who sent it: for everybody else it is a missing one. Its state is in Redis, so any web process
answers for it; the process that runs it says every few seconds that it lives, and a statement whose process died is FAILED.
[docs: Statement Execution API; SDK 0.156: StatementExecutionAPI]
"""

import logging
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from sandbox.errors import RequestLimitExceeded, ResourceDoesNotExist
from sandbox.sql import children, kept, responses
from sandbox.sql import linked as files
from sandbox.sql.job import ParameterValue
from sandbox.sql.limits import DEFAULT_LIMITS, LINKED_LIMITS, SqlCanceled, SqlColumn, SqlFailed, SqlLimits, SqlResult
from sandbox.sql.run import STATEMENTS_AT_ONCE, Stop, run_statement
from sandbox.sql.warehouses import WAREHOUSE_ID
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

logger = logging.getLogger(__name__)
PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, CLOSED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "CLOSED"
ENDED = frozenset({SUCCEEDED, FAILED, CANCELED, CLOSED})
MAX_WAITING, MAX_WAITING_OF_WORKSPACE = 50, 10
"""In one web process, running ones included; of one workspace fewer, so that the others have their turn."""
CANCEL_TIMEOUT_S = 5.0
_BEAT_S = 3.0


@dataclass
class _Live:
    """A statement that waits or runs in this process."""

    caller: Caller
    statement_id: str
    text: str
    arguments: dict[str, Any]
    submitted_ms: int
    stop: Stop = field(default_factory=Stop)
    ended: threading.Event = field(default_factory=threading.Event)


_live: dict[str, _Live] = {}
_lock = threading.Lock()
_threads = ThreadPoolExecutor(STATEMENTS_AT_ONCE, thread_name_prefix="sql")
_heart: threading.Thread | None = None


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
    live = _Live(caller, str(uuid.uuid4()), statement, arguments, _now_ms())
    if linked:
        arguments["keep"] = files.keeper(caller.workspace.id, caller.user.pk, live.statement_id)
    with _lock:
        own = sum(each.caller.workspace.id == caller.workspace.id for each in _live.values())
        if len(_live) >= MAX_WAITING or own >= MAX_WAITING_OF_WORKSPACE:
            raise RequestLimitExceeded("Too many statements are waiting. Please try again in a moment.")
        _live[live.statement_id] = live
    kept.beat([live.statement_id])
    _save(live, {"state": PENDING})
    kept.remember(caller.workspace.id, caller.user.pk, live.statement_id)
    _keep_beating()
    _threads.submit(_run, live)
    return live.statement_id


def wait(statement_id: str, timeout_s: float) -> None:
    """Until the statement has ended; at once when it runs in another process."""
    live = _live.get(statement_id)
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
    live = _live.get(statement_id)
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
    if found["status"]["state"] not in ENDED and statement_id not in _live and not kept.is_alive(statement_id):
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


def _run(live: _Live) -> None:
    """One statement in a thread of the pool; whatever happens, it ends in a state."""
    began = time.monotonic()
    outcome: dict[str, Any] = {}
    try:
        result = run_statement(
            live.caller, live.text, stop=live.stop, started=lambda: _save(live, {"state": RUNNING}), **live.arguments
        )
        status: dict[str, Any] = {"state": SUCCEEDED}
        outcome = {
            "columns": [responses.column_info(position, column) for position, column in enumerate(result.columns)],
            "rows": list(result.rows),
            "chunk_rows": list(result.chunk_rows),
            "chunk_bytes": files.sizes(live.caller.workspace.id, live.caller.user.pk, live.statement_id, len(result.chunk_rows)),
            "truncated": result.truncated,
            "statement_type": result.statement_type,
        }
    except SqlCanceled:
        status = {"state": CANCELED}
    except SqlFailed as failure:
        status = {"state": FAILED, "error": {"error_code": failure.error_code, "message": failure.message}}
    except Exception:
        logger.exception("a statement failed in a way that nobody thought of")
        status = {"state": FAILED, "error": {"error_code": "INTERNAL_ERROR", "message": "The statement failed on our side."}}
    try:
        outcome["duration_ms"] = round((time.monotonic() - began) * 1000)
        _save(live, status, outcome)
        kept.add_to_history(live.caller.workspace.id, _entry(live, status, outcome))
    except Exception:
        logger.exception("the end of a statement could not be kept")
    finally:
        with _lock:
            _live.pop(live.statement_id, None)
        live.ended.set()
        connections.close_all()


def _save(live: _Live, status: dict[str, Any], outcome: dict[str, Any] | None = None) -> None:
    about = {"user_id": live.caller.user.pk, "status": status, **(outcome or {})}
    kept.save(live.caller.workspace.id, live.statement_id, about)


def _entry(live: _Live, status: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    error = status.get("error", {})
    return {
        "statement_id": live.statement_id,
        "text": live.text.encode("utf-8", "replace").decode()[: kept.HISTORY_TEXT_CHARACTERS],
        "user": person(live.caller.user),
        "user_id": live.caller.user.pk,
        "state": status["state"],
        "error": error.get("message", ""),
        "error_code": error.get("error_code", ""),
        "statement_type": outcome.get("statement_type", ""),
        "submitted_ms": live.submitted_ms,
        "duration_ms": outcome["duration_ms"],
        "rows": sum(outcome.get("chunk_rows", [])) or len(outcome.get("rows", [])),
        "warehouse_id": WAREHOUSE_ID,
    }


def _keep_beating() -> None:
    global _heart
    with _lock:
        if _heart is None or not _heart.is_alive():
            _heart = threading.Thread(target=_beat, daemon=True, name="sql-heart")
            _heart.start()


def _beat() -> None:
    """While statements live in this process, say so, and stop those that another process was asked to cancel."""
    while _live:
        try:
            for statement_id in kept.beat(list(_live)):
                live = _live.get(statement_id)
                if live is not None:
                    live.stop.now()
        except Exception:
            logger.exception("the state of the statements could not be kept")
        time.sleep(_BEAT_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
