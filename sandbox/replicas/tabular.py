"""Custom models: bodies of the four input forms become the model's columns; predictions go back by request.

Two ways lead to the same answers. Bodies in the signature's own form and types, which nearly all are, are read here, many
requests as one table, column by column. Every other body goes to the model's process as it came, alone, and is read there
exactly as MLflow's scoring server reads it (`sandbox.replicas.scoring`). So this module never refuses anything: it takes only
what it can show to mean the same to both.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from sandbox.builds.signature import InputField, Signature
from sandbox.replicas.frames import RawBody, encode_arrays, encode_body
from sandbox.replicas.predictions import dumped, shaped
from sandbox.replicas.requests import INPUT_KEYS, InputError, Pending, RequestAnswer, failed
from sandbox.replicas.scoring.limits import LARGEST_FLOAT32

Array = np.ndarray[Any, Any]
Row = Sequence[Any]

_CHAT_KEYS = ("messages", "prompt", "input")
_LIMITS = {"long": 2.0**63, "integer": 2.0**31}
_NUMBERS = {int, float, bool}
_NUMBERS_AND_GAPS = {int, float, bool, type(None)}
_BEYOND_INT64 = 2.0**63
UNREADABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What Python may raise while a body of unforeseen shape is taken apart."""


class NotTogetherError(Exception):
    """The requests cannot be predicted as one table: `together` can, `alone` has to be asked one by one."""

    def __init__(self, together: list[Pending], alone: list[Pending]) -> None:
        super().__init__()
        self.together = together
        self.alone = alone


class _OtherWay(Exception):
    """The body is not in the plain form."""


@dataclass
class Batch:
    """Requests whose rows go to the model together, or one request that goes as it came."""

    requests: list[Pending]
    counts: list[int]
    parts: tuple[bytes, ...]
    is_raw: bool = False

    def split(self, values: list[Any]) -> Iterator[tuple[Pending, list[Any] | None]]:
        """Each request with its own rows' values; None when the model returned a wrong number of rows."""
        if self.is_raw:
            yield self.requests[0], values
            return
        fits = len(values) == sum(self.counts)
        start = 0
        for request, count in zip(self.requests, self.counts, strict=True):
            yield request, values[start : start + count] if fits else None
            start += count


class TabularTask:
    """Made from the runtime's description of the model's signature."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.signature = Signature.from_dict(description["signature"])
        self.inputs = self.signature.inputs
        self.names: list[str] = [each.name for each in self.inputs if each.name]
        self._name_set = set(self.names)
        self.is_tensor = self.signature.kind == "tensor"
        self.width = len(self.inputs)
        names = self.names
        # one step for each record; but for one name it would give a bare value
        self._row: Callable[[Any], Row] = itemgetter(*names) if len(names) > 1 else lambda record: [record[names[0]]]
        self.is_plain = "always" not in self.signature.refuses and (self.is_tensor or len(self.names) == self.width)
        self._checks_size = "too_large" in self.signature.refuses
        blocks = {
            kind: [place for place, each in enumerate(self.inputs) if each.type == kind]
            for kind in ("long", "integer", "boolean", "float")
        }
        self._blocks = {kind: places for kind, places in blocks.items() if places}
        takes_any_number = all(each.type != "datetime" and "unknown" not in each.refuses for each in self.inputs)
        self._is_matrix = self.signature.layout == "matrix" and self.signature.dtype != "str" and takes_any_number

    # --- from bodies to arrays -----------------------------------------------------------------

    def batch(self, requests: list[Pending]) -> Batch:
        """Read every request. Raises NotTogetherError when some have to be asked alone."""
        plain: list[tuple[Pending, list[Row]]] = []
        alone: list[Pending] = []
        for request in requests:
            try:
                plain.append((request, self._rows(request)))
            except (_OtherWay, InputError, *UNREADABLE):
                alone.append(request)
        if not alone:
            try:
                arrays = self._arrays([row for _, rows in plain for row in rows])
                return Batch(requests, [len(rows) for _, rows in plain], encode_arrays(arrays))
            except (_OtherWay, *UNREADABLE):
                alone = [request for request, rows in plain if len(plain) == 1 or not self._is_readable(rows)]
        if len(requests) == 1:
            return _raw(requests[0])
        if not alone:
            raise NotTogetherError([], requests)
        apart = {id(request) for request in alone}
        raise NotTogetherError([request for request in requests if id(request) not in apart], alone)

    def _is_readable(self, rows: list[Row]) -> bool:
        try:
            self._arrays(rows)
        except (_OtherWay, *UNREADABLE):
            return False
        return True

    def _rows(self, request: Pending) -> list[Row]:
        """The body's rows, each in the signature's order of columns. Raises _OtherWay, and UNREADABLE for strange bodies."""
        if request.content_type != "application/json":
            raise _OtherWay
        payload = request.read()
        if not self.is_plain or request.is_lenient:
            raise _OtherWay
        forms = [key for key in payload if key in INPUT_KEYS]
        if len(forms) != 1 or any(key in payload for key in _CHAT_KEYS):
            raise _OtherWay
        if "params" in payload and self.signature.params is not None:
            raise _OtherWay
        form, data = forms[0], payload[forms[0]]
        rows = self._tensor_rows(form, data) if self.is_tensor else self._table_rows(form, data)
        if not rows:
            raise _OtherWay
        return rows

    def _table_rows(self, form: str, data: Any) -> list[Row]:
        if form == "dataframe_records":
            return list(map(self._row, data))
        if form == "dataframe_split":
            return self._split_rows(data)
        if isinstance(data, dict):
            if form == "instances" or set(data) != self._name_set:
                raise _OtherWay
            columns = [data[name] for name in self.names]
            if not all(type(column) is list for column in columns):
                raise _OtherWay
            return list(zip(*columns, strict=True))
        if form == "inputs" or any(len(record) != self.width for record in data):
            raise _OtherWay
        return list(map(self._row, data))

    def _split_rows(self, split: Any) -> list[Row]:
        columns, data = split["columns"], split["data"]
        if len(split) != 2 and (len(split) != 3 or not _is_plain_index(split["index"], len(data))):
            raise _OtherWay
        if columns == self.names:
            places = None
        else:
            at = {name: place for place, name in enumerate(columns)}
            if len(at) != len(columns):
                raise _OtherWay
            places = [at[name] for name in self.names]
        if not all(type(row) is list and len(row) == len(columns) for row in data):
            raise _OtherWay
        rows: list[Row] = data
        return rows if places is None else [[row[place] for place in places] for row in rows]

    def _tensor_rows(self, form: str, data: Any) -> list[Row]:
        if form not in {"inputs", "instances"}:
            raise _OtherWay
        if isinstance(data, dict):
            if set(data) != self._name_set or form == "instances":
                raise _OtherWay
            return list(zip(*(data[name] for name in self.names), strict=True))
        if type(data) is not list or self.width != 1:
            raise _OtherWay
        return [(row,) for row in data]

    def _arrays(self, rows: list[Row]) -> list[Array]:
        """One array for each model input: the whole matrix, or one for each column or tensor. Raises _OtherWay."""
        if self.is_tensor:
            arrays = [_tensor([row[place] for row in rows], each) for place, each in enumerate(self.inputs)]
        elif self._is_matrix:
            arrays = [self._matrix(rows)]
        elif self.signature.layout == "matrix":
            columns = [_column([row[place] for row in rows], each) for place, each in enumerate(self.inputs)]
            arrays = [np.column_stack(columns).astype(object if self.signature.dtype == "str" else self.signature.dtype)]
        else:
            arrays = [
                _column([row[place] for row in rows], each).reshape((-1, *each.shape[1:]) if each.shape else (-1, 1))
                for place, each in enumerate(self.inputs)
            ]
        if self._checks_size and any(array.dtype.kind == "f" and (np.abs(array) > LARGEST_FLOAT32).any() for array in arrays):
            raise _OtherWay
        return arrays

    def _matrix(self, rows: list[Row]) -> Array:
        """Columns of numbers as one matrix; those that it cannot read at once it reads one by one."""
        matrix = _packed(rows, self.width)
        if matrix is None:
            columns = [_column([row[place] for row in rows], each) for place, each in enumerate(self.inputs)]
            return np.column_stack(columns).astype(self.signature.dtype)
        for kind, places in self._blocks.items():
            part = matrix[:, places]
            if kind in _LIMITS:
                if (np.abs(part) >= _LIMITS[kind]).any():
                    raise _OtherWay
                part = np.trunc(part)
            else:
                part = part != 0 if kind == "boolean" else part.astype(np.float32)
            matrix[:, places] = part
        return matrix.astype(self.signature.dtype, copy=False)

    # --- from values to bodies -----------------------------------------------------------------

    def answer(self, request: Pending, rows: list[Any] | None) -> RequestAnswer:
        """`{"predictions": …}` for the request's own rows."""
        if rows is None:
            return failed("RESULT_MISMATCH", "another number of values than it was given rows")
        if request.is_raw:
            return RequestAnswer(int(rows[0]), str(rows[1]))
        return RequestAnswer(200, dumped(shaped(rows, self.signature.output.form, is_table=not self.is_tensor)))


def _raw(request: Pending) -> Batch:
    """The request as it came; who asks for it is read where that is possible."""
    request.is_raw = True
    return Batch([request], [1], encode_body(RawBody(request.content, request.content_type)), is_raw=True)


def _is_plain_index(index: Any, rows: int) -> bool:
    return type(index) is list and len(index) == rows and all(type(each) in {int, str} for each in index)


def _packed(rows: list[Row], width: int) -> Array | None:
    """Rows of numbers as doubles, in half the time of `np.array`, which looks at every value twice; None for anything else."""
    matrix: Array = np.empty((len(rows), width))
    try:
        struct.pack_into(f"{matrix.size}d", matrix.data, 0, *chain.from_iterable(rows))
    except (struct.error, OverflowError):  # another number of values, or one that is no number
        return None
    return None if (np.abs(matrix) >= _BEYOND_INT64).any() else matrix


def _column(values: list[Any], each: InputField) -> Array:
    """One column in the model's type. Raises _OtherWay for anything whose cast is not plain."""
    kinds = set(map(type, values))
    if each.dtype == "str":
        if kinds != {str} or ("unknown" in each.refuses and not set(values) <= set(each.known)):
            raise _OtherWay
        return np.array(values, dtype=object)
    column = _numbers(values, kinds, each)
    if "unknown" in each.refuses and not set(column.tolist()) <= set(each.known):
        raise _OtherWay
    return column.astype(each.dtype, copy=False)


def _numbers(values: list[Any], kinds: set[type], each: InputField) -> Array:
    """The values after the signature's own cast."""
    if kinds <= _NUMBERS:
        column = np.array(values)
    elif each.type in {"double", "float"} and kinds <= _NUMBERS_AND_GAPS and "missing" not in each.refuses:
        column = np.array(values, dtype=np.float64)
    else:
        raise _OtherWay
    if column.dtype.kind not in "ifb" or each.type == "datetime":
        raise _OtherWay
    if each.type in _LIMITS:
        if column.dtype.kind == "f" and (np.abs(column) >= _LIMITS[each.type]).any():
            raise _OtherWay
        whole = column.astype(np.int64)
        if each.type == "integer" and ((whole >= 2**31) | (whole < -(2**31))).any():
            raise _OtherWay
        return whole
    if each.type == "boolean":
        return column.astype(np.bool_)
    return column.astype(np.float32) if each.type == "float" else column


def _tensor(values: list[Any], each: InputField) -> Array:
    """A tensor of numbers in the signature's shape and then in the model's type. Raises _OtherWay."""
    tensor = np.array(values)
    if each.dtype == "str" or tensor.dtype.kind not in "ifb" or tensor.ndim != len(each.shape):
        raise _OtherWay
    if any(wanted not in {-1, length} for wanted, length in zip(each.shape[1:], tensor.shape[1:], strict=True)):
        raise _OtherWay
    logged = np.dtype(each.type)
    if logged.kind in "iu" and (tensor.dtype.kind == "f" or logged.itemsize < 8 or logged.kind == "u"):
        limits = np.iinfo(logged)
        if ((tensor < limits.min) | (tensor >= limits.max)).any():
            raise _OtherWay
    return tensor.astype(logged, copy=False).astype(each.dtype, copy=False)
