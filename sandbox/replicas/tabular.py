"""Custom models: bodies of the four input forms become the model's columns; predictions go back by request.

Two ways lead to the same answers. Bodies in the signature's own form and types, which nearly all are, are read here, many
requests as one table, column by column. Every other body goes to the model's process as it came, alone, and is read there
exactly as MLflow's scoring server reads it (`sandbox.replicas.scoring`). So this module never refuses anything: it takes only
what it can show to mean the same to both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from sandbox.builds.signature import Signature
from sandbox.replicas.columns import LIMITS, Array, OtherWay, Row, column_of, packed, tensor_of
from sandbox.replicas.frames import RawBody, encode_arrays, encode_body
from sandbox.replicas.predictions import dumped, shaped
from sandbox.replicas.requests import INPUT_KEYS, InputError, Pending, RequestAnswer, failed
from sandbox.replicas.scoring.limits import LARGEST_FLOAT32

Table = Array | Sequence[Row]
"""One request's rows: in the model's own type, or as they came."""

_CHAT_KEYS = ("messages", "prompt", "input")
LARGE_BODY_CHARACTERS = 4096
"""A few dozen rows: smaller ones are read faster together."""
UNREADABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What Python may raise while a body of unforeseen shape is taken apart."""


class NotTogetherError(Exception):
    """The requests cannot be predicted as one table: `together` can, `alone` has to be asked one by one."""

    def __init__(self, together: list[Pending], alone: list[Pending]) -> None:
        super().__init__()
        self.together = together
        self.alone = alone


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
        plain: list[tuple[Pending, Table]] = []
        alone: list[Pending] = []
        for request in requests:
            try:
                plain.append((request, self._rows(request) if request.matrix is None else request.matrix))
            except (OtherWay, InputError, *UNREADABLE):
                alone.append(request)
        if not alone:
            try:
                arrays = self._together([table for _, table in plain])
                return Batch(requests, [len(table) for _, table in plain], encode_arrays(arrays))
            except (OtherWay, *UNREADABLE):
                alone = [request for request, table in plain if len(plain) == 1 or not self._is_readable(table)]
        if len(requests) == 1:
            return _raw(requests[0])
        if not alone:
            raise NotTogetherError([], requests)
        apart = {id(request) for request in alone}
        raise NotTogetherError([request for request in requests if id(request) not in apart], alone)

    def read_ahead(self, requests: Iterable[Pending]) -> None:
        """Read large bodies before their turn, each by itself: its values are gone from memory when the next is read.

        What is wrong with a body is found, and answered, when its turn has come.
        """
        if not self._is_matrix or not self.is_plain or self.is_tensor:
            return
        for request in requests:
            if len(request.body) >= LARGE_BODY_CHARACTERS:
                with suppress(OtherWay, InputError, *UNREADABLE):
                    request.matrix = self._arrays(self._rows(request))[0]
                    request.payload = {}

    def _together(self, tables: list[Table]) -> list[Array]:
        """One array for each model input, of all the tables. Raises OtherWay, and UNREADABLE for strange bodies."""
        if not any(isinstance(table, np.ndarray) for table in tables):
            return self._arrays([row for rows in tables for row in rows])
        return [np.concatenate([table if isinstance(table, np.ndarray) else self._arrays(table)[0] for table in tables])]

    def _is_readable(self, table: Table) -> bool:
        try:
            self._together([table])
        except (OtherWay, *UNREADABLE):
            return False
        return True

    def _rows(self, request: Pending) -> list[Row]:
        """The body's rows, each in the signature's order of columns. Raises OtherWay, and UNREADABLE for strange bodies."""
        if request.content_type != "application/json":
            raise OtherWay
        payload = request.read()
        if not self.is_plain or request.is_lenient:
            raise OtherWay
        forms = [key for key in payload if key in INPUT_KEYS]
        if len(forms) != 1 or any(key in payload for key in _CHAT_KEYS):
            raise OtherWay
        if "params" in payload and self.signature.params is not None:
            raise OtherWay
        form, data = forms[0], payload[forms[0]]
        rows = self._tensor_rows(form, data) if self.is_tensor else self._table_rows(form, data)
        if not rows:
            raise OtherWay
        return rows

    def _table_rows(self, form: str, data: Any) -> list[Row]:
        if form == "dataframe_records":
            return list(map(self._row, data))
        if form == "dataframe_split":
            return self._split_rows(data)
        if isinstance(data, dict):
            if form == "instances" or set(data) != self._name_set:
                raise OtherWay
            columns = [data[name] for name in self.names]
            if not all(type(column) is list for column in columns):
                raise OtherWay
            return list(zip(*columns, strict=True))
        if form == "inputs" or any(len(record) != self.width for record in data):
            raise OtherWay
        return list(map(self._row, data))

    def _split_rows(self, split: Any) -> list[Row]:
        columns, data = split["columns"], split["data"]
        if len(split) != 2 and (len(split) != 3 or not _is_plain_index(split["index"], len(data))):
            raise OtherWay
        if columns == self.names:
            places = None
        else:
            at = {name: place for place, name in enumerate(columns)}
            if len(at) != len(columns):
                raise OtherWay
            places = [at[name] for name in self.names]
        if not all(type(row) is list and len(row) == len(columns) for row in data):
            raise OtherWay
        rows: list[Row] = data
        return rows if places is None else [[row[place] for place in places] for row in rows]

    def _tensor_rows(self, form: str, data: Any) -> list[Row]:
        if form not in {"inputs", "instances"}:
            raise OtherWay
        if isinstance(data, dict):
            if set(data) != self._name_set or form == "instances":
                raise OtherWay
            return list(zip(*(data[name] for name in self.names), strict=True))
        if type(data) is not list or self.width != 1:
            raise OtherWay
        return [(row,) for row in data]

    def _arrays(self, rows: Sequence[Row]) -> list[Array]:
        """One array for each model input: the whole matrix, or one for each column or tensor. Raises OtherWay."""
        if self.is_tensor:
            arrays = [tensor_of([row[place] for row in rows], each) for place, each in enumerate(self.inputs)]
        elif self._is_matrix:
            arrays = [self._matrix(rows)]
        elif self.signature.layout == "matrix":
            columns = [column_of([row[place] for row in rows], each) for place, each in enumerate(self.inputs)]
            arrays = [np.column_stack(columns).astype(object if self.signature.dtype == "str" else self.signature.dtype)]
        else:
            arrays = [
                column_of([row[place] for row in rows], each).reshape((-1, *each.shape[1:]) if each.shape else (-1, 1))
                for place, each in enumerate(self.inputs)
            ]
        if self._checks_size and any(array.dtype.kind == "f" and (np.abs(array) > LARGEST_FLOAT32).any() for array in arrays):
            raise OtherWay
        return arrays

    def _matrix(self, rows: Sequence[Row]) -> Array:
        """Columns of numbers as one matrix; those that it cannot read at once it reads one by one."""
        matrix = packed(rows, self.width)
        if matrix is None:
            columns = [column_of([row[place] for row in rows], each) for place, each in enumerate(self.inputs)]
            return np.column_stack(columns).astype(self.signature.dtype)
        for kind, places in self._blocks.items():
            part = matrix[:, places]
            if kind in LIMITS:
                if (np.abs(part) >= LIMITS[kind]).any():
                    raise OtherWay
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
