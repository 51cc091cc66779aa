"""Python logging of a served model: its records travel with what it prints, one marked line each, and keep their severity.

The model's process is not trusted: it may write such lines itself, into its own endpoint's log.
"""

import json
import logging
import sys
import traceback
from typing import Any

from sandbox.service_logs import LogRecord

MARK = "\x1e"
"""First character of such a line (ASCII's record separator)."""
LONGEST_BODY, LONGEST_MESSAGE, LONGEST_TRACE = 2_000, 500, 2_000
"""Characters; the whole line stays under what `sandbox.replicas.output` takes for one."""
STACK_TRACE = "exception.stacktrace"
_LATEST_S = 1e11


class RecordHandler(logging.Handler):
    """Writes each record as one marked line to the standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{MARK}{json.dumps(_plain(record), ensure_ascii=False)}\n")
        except Exception:
            self.handleError(record)


def capture() -> None:
    """Have everything that is logged from here on written by a `RecordHandler`.

    The level of the root logger stays WARNING, as there [docs: Persist custom model serving data to Unity Catalog, 2026-06-18].
    """
    logging.getLogger().addHandler(RecordHandler())


def _plain(record: logging.LogRecord) -> dict[str, Any]:
    """Under the names of OpenTelemetry's semantic conventions for code and exceptions."""
    attributes = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": str(record.lineno),
    }
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        attributes |= {
            "exception.type": type(error).__name__,
            "exception.message": str(error)[:LONGEST_MESSAGE],
            STACK_TRACE: "".join(traceback.format_exception(error))[-LONGEST_TRACE:],
        }
    body = record.getMessage()[:LONGEST_BODY]
    return {"at_s": record.created, "severity": record.levelname, "logger": record.name, "body": body, "attributes": attributes}


def read(text: str) -> LogRecord | None:
    """The record of a marked line; None for a line that is none."""
    if not text.startswith(MARK):
        return None
    try:
        found = json.loads(text[1:])
        attributes = {_text(name, 100): _text(value) for name, value in dict(found["attributes"]).items()}
        at_s = float(found["at_s"])
        if not 0 <= at_s < _LATEST_S:
            return None
        return LogRecord(at_s, _text(found["severity"], 50), _text(found["logger"], 500), _text(found["body"]), attributes)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _text(value: object, most: int = LONGEST_BODY) -> str:
    """Text that can be written as UTF-8, which JSON can not always."""
    return str(value)[:most].encode("utf-8", "replace").decode()
