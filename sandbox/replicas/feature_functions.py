"""Feature functions of a plan: called once for all rows of a message, in the jailed interpreter of `sandbox.sql`."""

import math
from decimal import Decimal
from typing import Any

from sandbox.features.plan import FunctionCall
from sandbox.replicas.lookup_frames import Frame
from sandbox.replicas.requests import InputError, refused
from sandbox.sql.function_values import typed

_FLOATS = {"double", "float"}
_INTEGERS = {"bigint": 63, "int": 31, "smallint": 15, "tinyint": 7}
_ONLY_WORKSPACE = ""
"""A replica is a process of its own and serves one workspace."""
Arguments = list[tuple[Any, ...]]


def compute(call: FunctionCall, frames: list[Frame], types: dict[str, str]) -> None:
    """Add the function's column to each frame that was not sent with it. A request for which it fails is refused."""
    ready: list[tuple[Frame, Arguments]] = []
    for frame in frames:
        if frame.request.is_answered or call.output in frame.columns:
            continue
        try:
            ready.append((frame, _arguments(call, frame, types)))
        except InputError as error:
            frame.request.answer = refused(error)
    if ready:
        _call(call, ready)


def _call(call: FunctionCall, ready: list[tuple[Frame, Arguments]]) -> None:
    """All requests together; when that fails it is unknown for whose sake, so each is asked alone."""
    from sandbox.sql import python_functions  # starts nothing in replicas without functions

    rows = [row for _, arguments in ready for row in arguments]
    try:
        found = python_functions.evaluate(_ONLY_WORKSPACE, call.body, list(call.arguments), rows)
        values = [_result(value, call) for value in found]
    except (python_functions.FunctionFailed, InputError) as error:
        if len(ready) > 1:
            for one in ready:
                _call(call, [one])
            return
        ready[0][0].request.answer = refused(InputError("BAD_REQUEST", f"The feature function {call.name} failed. {error}"))
        return
    start = 0
    for frame, arguments in ready:
        frame.columns[call.output] = values[start : start + len(arguments)]
        start += len(arguments)


def _arguments(call: FunctionCall, frame: Frame, types: dict[str, str]) -> Arguments:
    """One tuple for each row. Raises InputError."""
    columns = []
    for parameter, name in call.arguments.items():
        if name not in frame.columns:
            raise InputError(
                "BAD_REQUEST",
                f"The request lacks the column '{name}', which the feature function {call.name} takes for {parameter}.",
            )
        columns.append(_typed(frame.columns[name], name, call.types.get(parameter, types[name])))
    return list(zip(*columns, strict=True)) if columns else [()] * frame.rows


def _typed(values: list[Any], name: str, kind: str) -> list[Any]:
    """The column's values in the type of the parameter, as SQL would cast them. Raises InputError."""
    try:
        return typed(values, kind)
    except ValueError:
        raise InputError("BAD_REQUEST", f"The column '{name}' has a value that is no {kind}.") from None


def _result(value: Any, call: FunctionCall) -> Any:
    """The value in the type that the function promised. Raises InputError."""
    if value is None or not _is_checked(call.returns):
        return value
    kind = call.returns
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in _FLOATS and (is_number or isinstance(value, Decimal)):
        return float(value)
    if kind in _INTEGERS and is_number and math.isfinite(value) and value == int(value):
        if -(2 ** _INTEGERS[kind]) <= value < 2 ** _INTEGERS[kind]:
            return int(value)
    elif isinstance(value, {"string": str, "boolean": bool}.get(kind, ())):
        return value
    raise InputError("BAD_REQUEST", f"It returned {value!r:.80}, which is no {kind}.")


def _is_checked(kind: str) -> bool:
    return kind in {*_FLOATS, *_INTEGERS, "string", "boolean"}
