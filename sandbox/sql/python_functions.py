"""Python functions of the catalog: checked and called in pydantic-monty, a Python interpreter without the machine around it.

Its worker processes live in the jail; nothing that a learner writes is compiled or run here. The interpreter knows functions,
classes, comprehensions, `try`, `with`, `match` and the modules math, re, json, datetime, itertools, functools, collections,
decimal, hashlib, random and typing; it knows no generators and no packages. No Django here: feature functions of served models
call this too.
"""

import atexit
import datetime as dt
import json
import keyword
import re
import shutil
import sysconfig
import tempfile
import textwrap
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic_monty as monty

from sandbox.jail.become import launcher
from sandbox.jail.limits import GIB, MIB, Limits

MAX_BODY_BYTES = 16 * 1024
MAX_DURATION_S = 1.0
"""Of one call with its whole batch of rows."""
MAX_MEMORY_BYTES = 64 * MIB
MAX_PRINTED_BYTES = 10_000
MAX_VALUES, MAX_CHARACTERS = 250_000, 32 * MIB
"""That one call may return, what lies in lists and maps included."""
WORKERS = 2
"""That compute at the same time, in this process of the site."""
POOLS = 8
"""Workspaces whose worker processes are kept; whoever waited longest for a call has to start new ones."""
_REQUEST_TIMEOUT_S = 5.0
_LIMITS = Limits(cpu_s=0, wall_s=0, address_space_bytes=GIB, open_files=64)
_RESOURCES = monty.ResourceLimits(
    max_feed_duration_secs=MAX_DURATION_S,
    max_turn_duration_secs=MAX_DURATION_S,
    max_memory=MAX_MEMORY_BYTES,
    max_recursion_depth=200,
    max_suspensions=1,
    max_total_sleep_secs=0.0,
)
_IMPORT = re.compile(r"^[ \t]*((?:import|from)[ \t]+\w[^;#\n(]*)", re.MULTILINE)


class FunctionFailed(Exception):
    """The function cannot be used, or failed; the message is a sentence for the learner, with the line of her function."""


def check(workspace_id: str, body: str, parameters: Sequence[str]) -> None:
    """Raises FunctionFailed when the body is no function that the interpreter knows, or imports a module that it has not."""
    imports = "\n".join(match[1].strip() for match in _IMPORT.finditer(body))
    _Workers.get().run(workspace_id, f"{_source(body, parameters)}\n{imports}", None)


def evaluate(workspace_id: str, body: str, parameters: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The function's value for each row of arguments; one call for all of them. Values are those that JSON knows, and times,
    decimals and bytes. A worker process that has computed for one workspace never computes for another. Raises FunctionFailed.
    """
    return _Workers.get().run(workspace_id, _source(body, parameters), [list(row) for row in rows])


def _source(body: str, parameters: Sequence[str]) -> str:
    if len(body.encode()) > MAX_BODY_BYTES:
        raise FunctionFailed(f"The body of a Python function has at most {MAX_BODY_BYTES:,} bytes.")
    for name in parameters:
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("__pg"):
            raise FunctionFailed(f"'{name[:60]}' cannot be the name of a parameter of a Python function.")
    lines = textwrap.dedent(body.strip("\n")) or "pass"
    return f"def __pg_function({', '.join(parameters)}):\n{_indented(lines)}\n"


def _indented(lines: str) -> str:
    """Each line moved in by four spaces, but for those inside a text over several lines, which would change."""
    found, quote = [], ""
    for line in lines.split("\n"):
        found.append(line if quote or not line.strip() else f"    {line}")
        quote = _open_quote(line, quote)
    return "\n".join(found)


def _open_quote(line: str, quote: str) -> str:
    """The triple quotes that are open after the line."""
    at = 0
    while at < len(line):
        three = line[at : at + 3]
        if quote:
            at, quote = (at + 3, "") if three == quote else (at + (2 if line[at] == "\\" else 1), quote)
        elif three in {'"""', "'''"}:
            at, quote = at + 3, three
        elif line[at] in "\"'":
            at = _after_text(line, at)
        elif line[at] == "#":
            break
        else:
            at += 1
    return quote


def _after_text(line: str, at: int) -> int:
    mark, at = line[at], at + 1
    while at < len(line) and line[at] != mark:
        at += 2 if line[at] == "\\" else 1
    return at + 1


class _Pool:
    """The worker processes of one workspace, started on first use, each in the jail."""

    def __init__(self, program: Path) -> None:
        self.calls = 0
        """That run now."""
        self.monty = monty.Monty(
            binary_path=program,
            min_processes=0,
            max_processes=WORKERS,
            request_timeout=_REQUEST_TIMEOUT_S,
            max_checkouts_per_worker=50,
        )
        self.monty.__enter__()

    def end(self) -> None:
        self.monty.__exit__(None, None, None)


class _Workers:
    """The pools of the workspaces that called last, and the threads that drive them."""

    _lock = threading.Lock()
    _one: "_Workers | None" = None

    @classmethod
    def get(cls) -> "_Workers":
        with cls._lock:
            if cls._one is None:
                cls._one = cls()
            return cls._one

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pg-python-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._program = launcher(folder, json.dumps(_LIMITS.to_dict()), str(Path(sysconfig.get_path("scripts")) / "monty"))
        self._pools: OrderedDict[str, _Pool] = OrderedDict()
        self._pools_lock = threading.Lock()
        # the kernel ends a jailed process together with the thread that started it, so these threads stay
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="python-functions")

    def run(self, workspace_id: str, source: str, rows: list[list[Any]] | None) -> list[Any]:
        return self._threads.submit(self._run, workspace_id, source, rows).result()

    @contextmanager
    def _pool_of(self, workspace_id: str) -> Iterator[monty.Monty]:
        with self._pools_lock:
            pool = self._pools.get(workspace_id) or self._pools.setdefault(workspace_id, _Pool(self._program))
            self._pools.move_to_end(workspace_id)
            pool.calls += 1
            idle = [each for each, other in self._pools.items() if not other.calls]
            ended = [self._pools.pop(each) for each in idle[: max(0, len(self._pools) - POOLS)]]
        try:
            for each in ended:
                each.end()
            yield pool.monty
        finally:
            with self._pools_lock:
                pool.calls -= 1

    def _run(self, workspace_id: str, source: str, rows: list[list[Any]] | None) -> list[Any]:
        try:
            with (
                self._pool_of(workspace_id) as pool,
                pool.checkout(limits=_RESOURCES, os_policy={"sleep": "zero"}) as session,
            ):
                printed = monty.CollectString(MAX_PRINTED_BYTES)
                if rows is None:
                    session.feed_run(source, print_callback=printed)
                    return []
                code = f"{source}\n[__pg_function(*__pg_row) for __pg_row in __pg_rows]"
                plain = _Plain()
                return [plain(value) for value in session.feed_run(code, inputs={"__pg_rows": rows}, print_callback=printed)]
        except monty.MontyCrashedError as crash:
            why = f"took longer than {MAX_DURATION_S:g} s" if crash.timed_out else "needed more than one function may use"
            raise FunctionFailed(f"The function {why} and was stopped.") from None
        except monty.MontyError as error:
            raise FunctionFailed(_sentence(error)) from None


def _sentence(error: monty.MontyError) -> str:
    """What happened, and in which line of the body."""
    if not isinstance(error, monty.MontyRuntimeError | monty.MontySyntaxError):
        return str(error)[:500]
    text = error.display("type-msg")
    if text.startswith("TimeoutError"):
        return f"The function took longer than {MAX_DURATION_S:g} s and was stopped."
    if text.startswith("MemoryError"):
        return f"The function needed more than {MAX_MEMORY_BYTES // MIB} MiB and was stopped."
    frames = error.traceback() if hasattr(error, "traceback") else []
    is_inside = bool(frames) and (isinstance(error, monty.MontySyntaxError) or frames[-1].function_name != "<module>")
    line = frames[-1].line - 1 if is_inside else 0
    return f"{text[:500]}{f' (line {line} of the function)' if line > 0 else ''}"


class _Plain:
    """The values of one call without objects of the interpreter, counted: a list may hold one and the same list a thousand times,
    which is small in the interpreter and endless when it is written out.
    """

    def __init__(self) -> None:
        self._left, self._characters_left = MAX_VALUES, MAX_CHARACTERS

    def __call__(self, value: Any) -> Any:
        self._left -= 1
        self._characters_left -= len(value) if isinstance(value, str | bytes) else 0
        if self._left < 0 or self._characters_left < 0:
            raise FunctionFailed(
                f"The function returned too much: one call gives at most {MAX_VALUES:,} values and {MAX_CHARACTERS:,} characters."
            )
        if value is None or isinstance(value, str | int | float | bool | bytes | Decimal | dt.date | dt.datetime):
            return value
        if isinstance(value, dict):
            return {str(self(name)): self(item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self(item) for item in value]
        raise FunctionFailed(f"The function returned a {type(value).__name__}; it must return a value of its declared type.")
