"""The jailed job that runs one statement of a learner over the rows it was handed.

Payload: 4 bytes length, a JSON header (`SqlRequest`), then the Parquet files of the named tables one after the other.
Result: JSON, `{"columns": […], "rows": [[text or null]], "truncated": …}` or `{"error": sentence, "error_code": …}`.
"""

import json
import struct
from typing import Any, NotRequired, TypedDict

PRELOAD = ("sandbox.sql.lean_imports", "sandbox.sql.engine")
_LENGTH = struct.Struct("!I")


class TableFiles(TypedDict):
    """A table of the workspace and the sizes of those of its files that follow."""

    name: str
    file_sizes: list[int]


class ParameterValue(TypedDict):
    """A named parameter of the statement."""

    name: str
    value: str | None
    type: NotRequired[str]


class SqlRequest(TypedDict):
    """What to run, over what, and how far."""

    sql: str
    parameters: list[ParameterValue]
    catalog: str
    schema: str
    tables: list[TableFiles]
    max_rows: int
    max_bytes: int
    soft_timeout_s: float


def pack(request: SqlRequest, files: list[bytes]) -> bytes:
    """The payload of a request; `files` in the order of `request["tables"]`."""
    header = json.dumps(request).encode()
    return b"".join((_LENGTH.pack(len(header)), header, *files))


def unpack(payload: bytes) -> tuple[SqlRequest, memoryview]:
    """The request and the bytes of its files."""
    (length,) = _LENGTH.unpack_from(payload)
    request: SqlRequest = json.loads(payload[_LENGTH.size : _LENGTH.size + length])
    return request, memoryview(payload)[_LENGTH.size + length :]


def run(payload: bytes) -> bytes:
    from sandbox.sql.engine import execute  # imported already, see PRELOAD
    from sandbox.sql.refusals import Refused, friendly

    request, files = unpack(payload)
    answer: dict[str, Any]
    try:
        answer = execute(request, files)
    except Refused as refusal:
        answer = {"error": str(refusal), "error_code": "BAD_REQUEST"}
    except Exception as error:
        error_code, sentence = friendly(type(error).__name__, str(error))
        answer = {"error": sentence, "error_code": error_code}
    return json.dumps(answer).encode()
