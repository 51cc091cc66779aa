"""Values of JSON bodies as the model's arrays, where their cast is plain; others go another way (see `tabular`)."""

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from sandbox.builds.signature import InputField

Array = np.ndarray[Any, Any]
Row = Sequence[Any]

LIMITS = {"long": 2.0**63, "integer": 2.0**31}
_NUMBERS = {int, float, bool}
_NUMBERS_AND_GAPS = {int, float, bool, type(None)}
_BEYOND_INT64 = 2.0**63


class OtherWay(Exception):
    """The body is not in the plain form."""


def packed(rows: Sequence[Row], width: int) -> Array | None:
    """Rows of numbers as doubles, in half the time of `np.array`, which looks at every value twice; None for anything else."""
    matrix: Array = np.empty((len(rows), width))
    try:
        struct.pack_into(f"{matrix.size}d", matrix.data, 0, *chain.from_iterable(rows))
    except (struct.error, OverflowError):  # another number of values, or one that is no number
        return None
    return None if (np.abs(matrix) >= _BEYOND_INT64).any() else matrix


def column_of(values: list[Any], each: InputField) -> Array:
    """One column in the model's type. Raises OtherWay for anything whose cast is not plain."""
    kinds = set(map(type, values))
    if each.dtype == "str":
        if kinds != {str} or ("unknown" in each.refuses and not set(values) <= set(each.known)):
            raise OtherWay
        return np.array(values, dtype=object)
    column = _numbers(values, kinds, each)
    if "unknown" in each.refuses and not set(column.tolist()) <= set(each.known):
        raise OtherWay
    return column.astype(each.dtype, copy=False)


def _numbers(values: list[Any], kinds: set[type], each: InputField) -> Array:
    """The values after the signature's own cast."""
    if kinds <= _NUMBERS:
        column = np.array(values)
    elif each.type in {"double", "float"} and kinds <= _NUMBERS_AND_GAPS and "missing" not in each.refuses:
        column = np.array(values, dtype=np.float64)
    else:
        raise OtherWay
    if column.dtype.kind not in "ifb" or each.type == "datetime":
        raise OtherWay
    if each.type in LIMITS:
        if column.dtype.kind == "f" and (np.abs(column) >= LIMITS[each.type]).any():
            raise OtherWay
        whole = column.astype(np.int64)
        if each.type == "integer" and ((whole >= 2**31) | (whole < -(2**31))).any():
            raise OtherWay
        return whole
    if each.type == "boolean":
        return column.astype(np.bool_)
    return column.astype(np.float32) if each.type == "float" else column


def tensor_of(values: list[Any], each: InputField) -> Array:
    """A tensor of numbers in the signature's shape and then in the model's type. Raises OtherWay."""
    tensor = np.array(values)
    if each.dtype == "str" or tensor.dtype.kind not in "ifb" or tensor.ndim != len(each.shape):
        raise OtherWay
    if any(wanted not in {-1, length} for wanted, length in zip(each.shape[1:], tensor.shape[1:], strict=True)):
        raise OtherWay
    logged = np.dtype(each.type)
    if logged.kind in "iu" and (tensor.dtype.kind == "f" or logged.itemsize < 8 or logged.kind == "u"):
        limits = np.iinfo(logged)
        if ((tensor < limits.min) | (tensor >= limits.max)).any():
            raise OtherWay
    return tensor.astype(logged, copy=False).astype(each.dtype, copy=False)
