"""One statement as the page shows it: put together from what was sent, from its state and result, and from the history."""

import re
import time
from dataclasses import dataclass
from typing import Any

from django.http import Http404

from sandbox.console.sql import sent
from sandbox.console.sql.scopes import Scope, parse
from sandbox.errors import ResourceDoesNotExist
from sandbox.sql import live_statements, statements
from sandbox.sql.limits import SqlResult
from sandbox.sql.live_statements import ENDED, SUCCEEDED
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

Json = dict[str, Any]
_ERROR = re.compile(r"\[(?P<name>[A-Z_]+(?:\.[A-Z_]+)*)\]\s*(?P<sentence>.*?)(?:\s*SQLSTATE:? (?P<sqlstate>\w{5}))?", re.DOTALL)
_PLACE = re.compile(r'near line (?P<line>\d+), after "(?P<near>[^"]*)"')
_NAME = re.compile(r"(`[^`]+`(?:\.`[^`]+`)*) cannot be (?:resolved|found)")


@dataclass(frozen=True)
class Failure:
    """An error in its parts."""

    code: str
    """As in the SDK's ServiceErrorCode."""
    name: str
    """Databricks' error class; empty for errors that have none."""
    sentence: str
    sqlstate: str
    line: int
    """In the statement, from 1; 0 when it is not known."""
    near: str
    """Text of the statement at which the error is, as far as it is known."""


@dataclass(frozen=True)
class ShownStatement:
    """A statement in whatever state."""

    statement_id: str
    text: str
    scope: Scope | None
    """None when the statement did not come from the page."""
    state: str
    who: str
    is_mine: bool
    submitted_ms: int
    duration_ms: int | None
    """None while it runs."""
    rows: int
    statement_type: str
    failure: Failure | None
    result: SqlResult | None

    @property
    def is_running(self) -> bool:
        return self.state not in ENDED

    @property
    def is_forgotten(self) -> bool:
        """It gave a result that is not kept any more, or is another person's."""
        return self.state == SUCCEEDED and self.result is None

    @property
    def elapsed_s(self) -> float:
        """Until now while it runs."""
        ms = self.duration_ms if self.duration_ms is not None else max(0, time.time_ns() // 1_000_000 - self.submitted_ms)
        return ms / 1000

    @property
    def said(self) -> str:
        """The state as a sentence, to be read aloud."""
        if self.state == SUCCEEDED:
            if self.result is not None and self.result.columns:
                return f"Succeeded: {len(self.result.rows)} row{'' if len(self.result.rows) == 1 else 's'}."
            return "Succeeded."
        return {"FAILED": "Failed.", "CANCELED": "Canceled.", "PENDING": "Waiting."}.get(self.state, "Running.")


def find(caller: Caller, statement_id: str) -> ShownStatement:
    """One of the caller's statements, or for an admin one that ended in the workspace. Http404 for every other."""
    noted = next((each for each in sent.last(caller) if each.statement_id == statement_id), None)
    entry = next((each for each in statements.history(caller, everybody=True) if each["statement_id"] == statement_id), None)
    status, result = _kept(caller, statement_id)
    if status is None and entry is None:
        raise Http404("There is no such statement.")
    status = status or {"state": (entry or {})["state"], "error": _error_of(entry or {})}
    known: Json = entry or {}
    return ShownStatement(
        statement_id=statement_id,
        text=noted.text if noted else str(known.get("text", "")),
        scope=parse(noted.scope) if noted else None,
        state=status["state"],
        who=str(known.get("user", person(caller.user))),
        is_mine=known.get("user_id", caller.user.pk) == caller.user.pk,
        submitted_ms=noted.submitted_ms if noted else int(known.get("submitted_ms", time.time_ns() // 1_000_000)),
        duration_ms=_duration_ms(status["state"], known, result),
        rows=len(result.rows) if result else int(known.get("rows", 0)),
        statement_type=result.statement_type if result else str(known.get("statement_type", "")),
        failure=failure_of(status.get("error") or {}) if status["state"] == live_statements.FAILED else None,
        result=result,
    )


def failure_of(error: Json) -> Failure:
    """The parts of an error's sentence, as the engine writes it."""
    message = str(error.get("message", ""))
    found = _ERROR.fullmatch(message)
    place, name = _PLACE.search(message), _NAME.search(message)
    near = place["near"] if place else name[1].replace("`", "") if name else ""
    return Failure(
        code=str(error.get("error_code", "")),
        name=found["name"] if found else "",
        sentence=found["sentence"] if found else message,
        sqlstate=(found["sqlstate"] or "") if found else "",
        line=int(place["line"]) if place else 0,
        near=near,
    )


def _kept(caller: Caller, statement_id: str) -> tuple[Json | None, SqlResult | None]:
    """State and result of one's own statement while they are kept."""
    try:
        status = statements.get(caller, statement_id)["status"]
        return status, statements.result_of(caller, statement_id)
    except ResourceDoesNotExist:
        return None, None


def _error_of(entry: Json) -> Json:
    return {"error_code": entry.get("error_code", ""), "message": entry.get("error", "")}


def _duration_ms(state: str, entry: Json, result: SqlResult | None) -> int | None:
    if "duration_ms" in entry:
        return int(entry["duration_ms"])
    if result is not None:
        return round(result.elapsed_s * 1000)
    return 0 if state in ENDED else None
