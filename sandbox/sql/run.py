"""Runs one statement: the jailed process reads it and computes, the site finds what it names and carries out what it plans.

The statement is parsed only in the jailed process. That one answers with rows, with a plan, or with what it needs to know
first; then another one is started with that, so that no process gets files after it has seen the statement.
"""

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from sandbox.catalog import lineage
from sandbox.errors import ApiError, ResourceConflict
from sandbox.jail.errors import JailRefused
from sandbox.jail.limits import MIB
from sandbox.sql import calls, channel, plans
from sandbox.sql.children import Child
from sandbox.sql.job import MAX_WRITTEN_BYTES, ParameterValue, SqlRequest
from sandbox.sql.limits import DEFAULT_LIMITS, MAX_STATEMENT_BYTES, SqlCanceled, SqlColumn, SqlFailed, SqlLimits, SqlResult
from sandbox.sql.objects import Objects
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

logger = logging.getLogger(__name__)
_TOO_LONG = "The statement took too long and was stopped."
_TOO_LARGE = "The statement needs more memory than one statement may use. Name only the columns that you need."
_MAX_ROUNDS = 12
_MAX_OBJECTS = 300
_ATTEMPTS = 5
"""Of UPDATE, DELETE and MERGE, when others write the table at the same time."""
STATEMENTS_AT_ONCE = 3
"""In one web process: each may take a processor and 2 GiB."""
SLOT_TIMEOUT_S = 60.0
_slots = threading.BoundedSemaphore(STATEMENTS_AT_ONCE)


class Stop:
    """Lets another thread end a statement while it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self.is_wanted = False

    def now(self) -> None:
        """Kill the jailed process, or keep the next one from starting."""
        with self._lock:
            self.is_wanted = True
            if self._child is not None:
                self._child.kill()

    def watch(self, child: Child | None) -> None:
        with self._lock:
            self._child = child
            if self.is_wanted and child is not None:
                child.kill()


def run_statement(
    caller: Caller,
    sql: str,
    *,
    limits: SqlLimits = DEFAULT_LIMITS,
    parameters: Sequence[ParameterValue] = (),
    catalog: str | None = None,
    schema: str = "default",
    stop: Stop | None = None,
    started: Callable[[], None] = lambda: None,
    keep: Callable[[bytes], None] | None = None,
) -> SqlResult:
    """Run one statement with the caller's privileges. Raises SqlFailed, SqlCanceled.

    `catalog` and `schema` complete names (None: the workspace's own catalog). `started` is called when a slot was free.
    With `keep`, a query's rows go there as Arrow streams, part by part, and not into the result.
    """
    began = time.monotonic()
    if len(sql.encode("utf-8", "replace")) > MAX_STATEMENT_BYTES:
        raise SqlFailed(f"The statement is longer than {MAX_STATEMENT_BYTES:,} bytes.")
    stop = stop or Stop()
    request = SqlRequest(
        sql=sql.encode("utf-8", "replace").decode(),
        parameters=list(parameters),
        catalog=(catalog or caller.workspace.catalog).lower(),
        schema=schema.lower(),
        user=person(caller.user),
        objects={},
        max_rows=limits.max_rows,
        max_bytes=limits.max_bytes,
        soft_timeout_s=limits.soft_timeout_s,
        arrow=keep is not None,
    )
    if not _slots.acquire(timeout=SLOT_TIMEOUT_S):
        raise SqlFailed("Too many statements are running. Please try again in a moment.", "TEMPORARILY_UNAVAILABLE")
    try:
        started()
        return _with_attempts(_Run(caller, request, limits, stop, began, keep))
    finally:
        _slots.release()


def _with_attempts(run: "_Run") -> SqlResult:
    for attempt in range(_ATTEMPTS):
        try:
            return run.result()
        except ResourceConflict as conflict:  # somebody else wrote the table: read it anew
            if attempt == _ATTEMPTS - 1:
                raise SqlFailed(conflict.message, "ABORTED") from None
        except ApiError as error:
            raise SqlFailed(error.message) from None
    raise AssertionError("unreachable")


class _Run:
    """One statement, from its text to its result."""

    def __init__(
        self,
        caller: Caller,
        request: SqlRequest,
        limits: SqlLimits,
        stop: Stop,
        began: float,
        keep: Callable[[bytes], None] | None,
    ) -> None:
        self.caller, self.request, self.limits, self.stop, self.began, self.keep = caller, request, limits, stop, began, keep
        self.parts = self.part_bytes = 0

    def result(self) -> SqlResult:
        objects = Objects(self.caller)
        for _ in range(_MAX_ROUNDS):
            answer, streams = self._ask(objects)
            if "error" in answer:
                raise SqlFailed(str(answer["error"])[:4000], str(answer["error_code"]))
            if "needs" not in answer:
                return self._finish(answer, streams, objects)
            for need in answer["needs"]:
                objects.add(need, str(answer.get("new", "")))
            if len(objects.found) > _MAX_OBJECTS:
                raise SqlFailed(f"The statement reads more than {_MAX_OBJECTS} tables, views and functions.")
        raise SqlFailed("Views and functions are nested too deeply.")

    def _finish(self, answer: dict[str, Any], streams: list[bytes], objects: Objects) -> SqlResult:
        if "plan" not in answer:
            columns = tuple(SqlColumn(**column) for column in answer["columns"])
            result = self._shown(columns, answer["rows"], bool(answer["truncated"]), "SELECT")
            return replace(result, chunk_rows=self._kept(answer)) if self.keep else result
        plan = answer["plan"]
        tables = {name: _table_of(content) for name, content in zip(plan.get("rows", []), streams, strict=True)}
        done = plans.carry_out(self.caller, plan, tables, objects, self.request)
        if done.target:
            self._note_lineage(objects.read & set(plan.get("reads", [])), done.target)
        return self._shown(
            done.columns, done.rows[: self.limits.max_rows], len(done.rows) > self.limits.max_rows, done.statement_type
        )

    def _kept(self, answer: dict[str, Any]) -> tuple[int, ...]:
        """Rows of each part that was kept."""
        counts = tuple(int(each) for each in answer["chunk_rows"])
        if len(counts) != self.parts:
            raise SqlFailed("The rows of the statement could not be read.", "INTERNAL_ERROR")
        return counts

    def _note_lineage(self, sources: set[str], target: str) -> None:
        for source in sorted(sources - {target}):
            nodes = (lineage.Node(lineage.Kind.TABLE, name) for name in (source, target))
            lineage.record(self.caller.workspace, *nodes)

    def _shown(self, columns: tuple[SqlColumn, ...], rows: list[Any], truncated: bool, statement_type: str) -> SqlResult:
        return SqlResult(columns, rows, truncated, time.monotonic() - self.began, statement_type)

    def _ask(self, objects: Objects) -> tuple[dict[str, Any], list[bytes]]:
        """One round: a jailed process with all that is known by now."""
        if self.stop.is_wanted:
            raise SqlCanceled
        request = {**self.request, "objects": objects.found}
        deadline_s = time.monotonic() + self.limits.hard_timeout_s
        try:
            with Child(
                objects.files, memory_bytes=self.limits.address_space_bytes, cpu_s=max(1, round(self.limits.hard_timeout_s))
            ) as child:
                self.stop.watch(child)
                try:
                    return self._talk(child, json.dumps(request).encode(), deadline_s, objects)
                except (channel.Gone, channel.TooSlow, channel.TooMuch) as trouble:
                    raise self._why(child, trouble) from None
                finally:
                    self.stop.watch(None)
        except (JailRefused, FileNotFoundError, channel.Gone) as trouble:
            raise _not_run(trouble) from None

    def _talk(self, child: Child, start: bytes, deadline_s: float, objects: Objects) -> tuple[dict[str, Any], list[bytes]]:
        channel.send(child.channel, channel.START, start, deadline_s)
        streams: list[bytes] = []
        helper = calls.Calls(self.caller, objects, self.stop)
        while True:
            kind, content = channel.receive(child.channel, self._largest_frame(), deadline_s)
            if kind == channel.RESULT:
                answer: dict[str, Any] = json.loads(content)
                return answer, streams
            if kind == channel.ROWS and sum(map(len, streams)) + len(content) <= MAX_WRITTEN_BYTES + MIB:
                streams.append(content)
            elif kind == channel.PART and self.keep and self.part_bytes + len(content) <= self.limits.max_bytes + MIB:
                self.parts, self.part_bytes = self.parts + 1, self.part_bytes + len(content)
                self.keep(content)
            elif kind == channel.CALL:
                channel.send(child.channel, channel.ANSWER, helper.answer(content, deadline_s), deadline_s)
            else:
                raise channel.TooMuch

    def _largest_frame(self) -> int:
        return max(0 if self.keep else 4 * self.limits.max_bytes, MAX_WRITTEN_BYTES) + MIB

    def _why(self, child: Child, trouble: Exception) -> Exception:
        """How a process ended that gave no result."""
        if self.stop.is_wanted:
            return SqlCanceled()
        if isinstance(trouble, channel.TooSlow):
            return SqlFailed(_TOO_LONG, "DEADLINE_EXCEEDED")
        if isinstance(trouble, channel.TooMuch):
            return SqlFailed(_TOO_LARGE, "RESOURCE_EXHAUSTED")
        number = child.end_signal()
        logger.info("a statement ended without a result, signal %s", number)
        if number == signal.SIGXCPU:
            return SqlFailed(_TOO_LONG, "DEADLINE_EXCEEDED")
        return SqlFailed(_TOO_LARGE, "RESOURCE_EXHAUSTED")


def _table_of(stream: bytes) -> Any:
    """Checked to its last offset: it comes from the jail, and Arrow believes what a stream says of itself."""
    try:
        table = pa.ipc.open_stream(stream).read_all()
        table.validate(full=True)
        return table
    except (pa.ArrowException, OSError):
        raise SqlFailed("The rows of the statement could not be read.", "INTERNAL_ERROR") from None


def _not_run(trouble: Exception) -> SqlFailed:
    if isinstance(trouble, JailRefused):
        logger.error("SQL is off: %s", trouble)
        sentence = "SQL cannot be run on this machine because it offers no jail; `manage.py doctor` says what is missing."
        return SqlFailed(sentence, "TEMPORARILY_UNAVAILABLE")
    logger.warning("a statement did not start: %s", trouble)
    return SqlFailed("The tables changed while the statement began. Run it again.", "ABORTED")
