"""The jailed side of one statement: take the files, enter the jail, read the statement, run it, send the result.

What goes over the channel, in this order: the descriptors of the tables' files (to us, before the jail is entered), START (to
us: `SqlRequest` as JSON), any number of CALLs (from us: what only the site can do) each with its ANSWER (to us), any number
of ROWS or PARTs (from us: Arrow streams, to be written or to be kept) and one RESULT (from us, JSON): columns and rows, a
plan, what is needed besides, or an error.
"""

import json
import mmap
import os
import socket
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from sandbox.jail.enter import address_space_bytes, enter_jail
from sandbox.jail.errors import JailRefused
from sandbox.jail.limits import Limits
from sandbox.sql import channel as wire

_LARGEST_START_BYTES = 32 * 1024 * 1024
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
MAX_WRITTEN_BYTES = 64 * 1024 * 1024
"""What one statement may send to be written."""


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
    user: str
    objects: dict[str, dict[str, Any]]
    """What names stand for: see `sandbox.sql.dialect.scope`."""
    max_rows: int
    max_bytes: int
    soft_timeout_s: float
    arrow: bool
    """Send the rows of a query as Arrow streams, in PARTs, and not in the RESULT."""


class Order(TypedDict):
    """What a child is told before it enters the jail; nothing in it comes from a learner."""

    memory_bytes: int
    cpu_s: int
    files: int


def serve(order: Order, descriptor: int) -> None:
    """The forked child's whole life; ends the process."""
    channel = socket.socket(fileno=descriptor)
    try:
        maps = [_mapped(each) for each in wire.receive_files(channel, order["files"])]
        memory_bytes = address_space_bytes() + order["memory_bytes"]
        limits = Limits(cpu_s=order["cpu_s"], wall_s=0, address_space_bytes=memory_bytes)
        try:
            enter_jail(limits, keep_fds=(channel.fileno(),))
        except JailRefused as refusal:
            wire.send(channel, wire.RESULT, json.dumps(failure("TEMPORARILY_UNAVAILABLE", f"No jail: {refusal}")).encode())
            os._exit(1)
        _, raw = wire.receive(channel, _LARGEST_START_BYTES)
        request: SqlRequest = json.loads(raw)
        answer, tables = answer_of(request, maps, Site(channel))
        for rows in tables:
            wire.send(channel, wire.PART if "chunk_rows" in answer else wire.ROWS, rows)
        wire.send(channel, wire.RESULT, json.dumps(answer).encode())
    except wire.Gone:
        os._exit(1)
    os._exit(0)  # the interpreter's own clearing up takes longer than many statements


class Site:
    """What a statement may ask of the site while it runs; each call waits for its answer."""

    def __init__(self, channel: socket.socket | None = None) -> None:
        self._channel = channel

    def call(self, what: str, values: dict[str, Any]) -> Any:
        """Raises Refused with the site's sentence."""
        from sandbox.sql.refusals import Refused

        if self._channel is None:
            raise Refused(f"{what} is not available here.")
        wire.send(self._channel, wire.CALL, json.dumps({"call": what, **values}).encode())
        _, raw = wire.receive(self._channel, _LARGEST_ANSWER_BYTES)
        answer = json.loads(raw)
        if "error" in answer:
            raise Refused(str(answer["error"]))
        return answer["values"]


def answer_of(request: SqlRequest, maps: Sequence[Any], site: Site) -> tuple[dict[str, Any], list[bytes]]:
    """The result of a statement, and its Arrow streams; errors become results."""
    from sandbox.sql.engine import execute
    from sandbox.sql.refusals import Refused, friendly

    try:
        return execute(request, maps, site)
    except Refused as refusal:
        return failure(refusal.error_code, str(refusal)), []
    except RecursionError:
        return failure("BAD_REQUEST", "The statement is nested too deeply."), []
    except wire.Gone:
        raise
    except Exception as error:
        return failure(*friendly(type(error).__name__, str(error))), []


def failure(error_code: str, sentence: str) -> dict[str, Any]:
    return {"error": sentence, "error_code": error_code}


def _mapped(descriptor: int) -> Any:
    """The file's bytes, read as they are used; never closed, because the jail closes the descriptor beneath it."""
    return mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
