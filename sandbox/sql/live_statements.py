"""Statements that wait or run in this process, each in a thread of a pool, and what is kept of them for the others."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from sandbox.errors import RequestLimitExceeded
from sandbox.sql import kept, responses
from sandbox.sql import linked as files
from sandbox.sql.limits import SqlCanceled, SqlFailed
from sandbox.sql.run import STATEMENTS_AT_ONCE, Stop, run_statement
from sandbox.sql.warehouses import WAREHOUSE_ID
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

logger = logging.getLogger(__name__)
PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, CLOSED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "CLOSED"
ENDED = frozenset({SUCCEEDED, FAILED, CANCELED, CLOSED})
MAX_WAITING, MAX_WAITING_OF_WORKSPACE = 50, 10
"""In one web process, running ones included; of one workspace fewer, so that the others have their turn."""
_BEAT_S = 3.0


@dataclass
class Live:
    """A statement that waits or runs in this process."""

    caller: Caller
    statement_id: str
    text: str
    arguments: dict[str, Any]
    submitted_ms: int
    stop: Stop = field(default_factory=Stop)
    ended: threading.Event = field(default_factory=threading.Event)


_live: dict[str, Live] = {}
_lock = threading.Lock()
_threads = ThreadPoolExecutor(STATEMENTS_AT_ONCE, thread_name_prefix="sql")
_heart: threading.Thread | None = None


def begin(live: Live) -> None:
    """Have the statement run when its turn comes. Raises RequestLimitExceeded."""
    with _lock:
        own = sum(each.caller.workspace.id == live.caller.workspace.id for each in _live.values())
        if len(_live) >= MAX_WAITING or own >= MAX_WAITING_OF_WORKSPACE:
            raise RequestLimitExceeded("Too many statements are waiting. Please try again in a moment.")
        _live[live.statement_id] = live
    kept.beat([live.statement_id])
    _save(live, {"state": PENDING})
    kept.remember(live.caller.workspace.id, live.caller.user.pk, live.statement_id)
    _keep_beating()
    _threads.submit(_run, live)


def find(statement_id: str) -> Live | None:
    """None when it has ended, or runs in another process."""
    return _live.get(statement_id)


def _run(live: Live) -> None:
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


def _save(live: Live, status: dict[str, Any], outcome: dict[str, Any] | None = None) -> None:
    about = {"user_id": live.caller.user.pk, "status": status, **(outcome or {})}
    kept.save(live.caller.workspace.id, live.statement_id, about)


def _entry(live: Live, status: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
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
