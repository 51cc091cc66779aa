"""Runs a learner's SELECT over the inference tables of one workspace, in a jailed process for this one statement.

The statement is not parsed here. Which tables to hand over is decided by text: those whose name occurs in it, which is
never too few. The jailed process gets their Parquet files as bytes and sees no file system.
"""

import io
import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from django.conf import settings

from sandbox.inference_tables import delta
from sandbox.inference_tables.operations import tables
from sandbox.jail.errors import JailRefused, JobFailed, JobTimeout
from sandbox.jail.launch import run_jailed
from sandbox.jail.limits import GIB, MIB, Limits
from sandbox.sql.job import ParameterValue, SqlRequest, TableFiles, pack

logger = logging.getLogger(__name__)
_JOB = "sandbox.sql.job"
_TOO_LONG = "The statement took too long and was stopped."
_TOO_LARGE = "The statement needs more memory than one statement may use. Name only the columns that you need."
MAX_STATEMENT_BYTES = 20_000
STATEMENTS_AT_ONCE = 3
"""In one web process: each may take a processor and 2 GiB."""
SLOT_TIMEOUT_S = 5.0
_slots = threading.BoundedSemaphore(STATEMENTS_AT_ONCE)


@dataclass(frozen=True)
class SqlLimits:
    """How far one statement may go."""

    max_rows: int = 10_000
    max_bytes: int = 5_000_000
    """Of the result's texts together."""
    soft_timeout_s: float = 2.0
    """The engine is asked to stop."""
    hard_timeout_s: float = 4.0
    """The process is killed."""
    address_space_bytes: int = 2 * GIB
    input_bytes: int = 64 * MIB
    """Of compressed table files; beyond that only the newest rows are read, and the result says so."""


DEFAULT_LIMITS = SqlLimits()


@dataclass(frozen=True)
class SqlColumn:
    """A column of a result: `type_name` as the SDK's ColumnInfoTypeName, `type_text` as in DDL."""

    name: str
    type_name: str
    type_text: str

    @property
    def is_number(self) -> bool:
        return self.type_name in {"BYTE", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE", "DECIMAL"}


@dataclass(frozen=True)
class SqlResult:
    """What a statement gave: each value as text, None for NULL."""

    columns: tuple[SqlColumn, ...]
    rows: list[list[str | None]]
    truncated: bool
    """More rows or bytes than the limits, or not all rows of a table were read."""
    notice: str
    """Which rows were not read; empty when all were."""
    elapsed_s: float


class SqlFailed(Exception):
    """The statement was refused or failed: `message` for the learner, `error_code` as in the SDK's ServiceErrorCode."""

    def __init__(self, message: str, error_code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


def run_select(
    workspace_id: str,
    sql: str,
    *,
    limits: SqlLimits = DEFAULT_LIMITS,
    parameters: Sequence[ParameterValue] = (),
    catalog: str = "main",
    schema: str = "default",
) -> SqlResult:
    """Run one SELECT over the tables of the workspace. Raises SqlFailed."""
    started = time.monotonic()
    if len(sql.encode("utf-8", "replace")) > MAX_STATEMENT_BYTES:
        raise SqlFailed(f"The statement is longer than {MAX_STATEMENT_BYTES:,} bytes.")
    handed_over, files, notice = _hand_over(workspace_id, sql.casefold(), limits.input_bytes)
    request = SqlRequest(
        sql=sql,
        parameters=list(parameters),
        catalog=catalog,
        schema=schema,
        tables=handed_over,
        max_rows=limits.max_rows,
        max_bytes=limits.max_bytes,
        soft_timeout_s=limits.soft_timeout_s,
    )
    answer = _run(pack(request, files), limits)
    if "error" in answer:
        raise SqlFailed(str(answer["error"]), str(answer["error_code"]))
    return SqlResult(
        columns=tuple(SqlColumn(**column) for column in answer["columns"]),
        rows=answer["rows"],
        truncated=bool(answer["truncated"]) or bool(notice),
        notice=notice,
        elapsed_s=time.monotonic() - started,
    )


def _hand_over(workspace_id: str, folded_sql: str, budget_bytes: int) -> tuple[list[TableFiles], list[bytes], str]:
    """Every table's name, the files of those that the text names, newest first, and which of them are not complete."""
    listed: list[TableFiles] = []
    contents: list[bytes] = []
    partial: list[str] = []
    for name in tables(workspace_id):
        own: list[bytes] = []
        if name.table.casefold() in folded_sql:
            files = delta.data_files(name.folder(settings.DELTA_DIR, workspace_id))
            chosen = _newest_within(files, budget_bytes)
            budget_bytes -= sum(file.size_bytes for file in chosen)
            own = [file.path.read_bytes() for file in chosen] or [_no_rows()]
            if len(chosen) < len(files):
                all_rows = sum(file.rows for file in files)
                partial.append(f"{name} has {all_rows:,} rows, the newest {sum(file.rows for file in chosen):,} were read")
        listed.append(TableFiles(name=str(name), file_sizes=[len(content) for content in own]))
        contents += own
    return listed, contents, "; ".join(partial)


def _newest_within(files: Sequence[delta.DataFile], budget_bytes: int) -> list[delta.DataFile]:
    chosen = []
    for file in files:
        budget_bytes -= file.size_bytes
        if budget_bytes < 0:
            break
        chosen.append(file)
    return chosen


def _no_rows() -> bytes:
    file = io.BytesIO()
    pq.write_table(delta.SCHEMA.empty_table(), file)
    return file.getvalue()


def _run(payload: bytes, limits: SqlLimits) -> dict[str, Any]:
    jail_limits = Limits(
        cpu_s=max(1, round(limits.hard_timeout_s)),
        wall_s=limits.hard_timeout_s,
        address_space_bytes=limits.address_space_bytes,
        output_bytes=4 * limits.max_bytes + MIB,
    )
    if not _slots.acquire(timeout=SLOT_TIMEOUT_S):
        raise SqlFailed("Too many statements are running. Please try again in a moment.", "TEMPORARILY_UNAVAILABLE")
    try:
        answer = json.loads(run_jailed(_JOB, payload, limits=jail_limits))
    except JobTimeout:
        raise SqlFailed(_TOO_LONG, "DEADLINE_EXCEEDED") from None
    except JobFailed as failure:  # killed or crashed: the message is the launcher's
        logger.info("a statement ended without a result: %s", failure.message)
        if "processor time" in failure.message:
            raise SqlFailed(_TOO_LONG, "DEADLINE_EXCEEDED") from None
        raise SqlFailed(_TOO_LARGE, "RESOURCE_EXHAUSTED") from None
    except JailRefused as refusal:
        logger.error("SQL is off: %s", refusal)
        message = "SQL cannot be run on this machine because it offers no jail; `manage.py doctor` says what is missing."
        raise SqlFailed(message, "TEMPORARILY_UNAVAILABLE") from None
    finally:
        _slots.release()
    assert isinstance(answer, dict)
    return answer
