"""Custom models: bodies of the four input forms become the model's columns; predictions go back by request.

Casting follows MLflow 3.17.2's scoring server as measured (serving_semantics B3): "1.5" is a double, 1.5 in a long
column is cut to 1, null in a double column is NaN, null in a long column is refused, extra columns are dropped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from sandbox.replicas.frames import encode_arrays
from sandbox.replicas.requests import InputError, Pending, RequestAnswer, failed, input_field, refused

Array = np.ndarray[Any, Any]
Row = Sequence[Any]
_NUMPY_TYPES: dict[str, Any] = {
    "double": np.float64,
    "float": np.float32,
    "long": np.int64,
    "integer": np.int32,
    "boolean": np.bool_,
    "string": object,
}
_INTEGERS = {"long", "integer"}


UNREADABLE = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What Python may raise while a body of unforeseen shape is taken apart."""


class NotTogetherError(Exception):
    """Each request fits the signature, but their rows do not fit into one array: predict them one by one."""


@dataclass
class Batch:
    """Requests whose rows go to the model together."""

    requests: list[Pending]
    counts: list[int]
    parts: tuple[bytes, ...]

    def split(self, values: list[Any]) -> Iterator[tuple[Pending, list[Any] | None]]:
        """Each request with its own rows' values; None when the model returned a wrong number of rows."""
        fits = len(values) == sum(self.counts)
        start = 0
        for request, count in zip(self.requests, self.counts, strict=True):
            yield request, values[start : start + count] if fits else None
            start += count


class TabularTask:
    """Made from the runtime's description of the model's signature."""

    def __init__(self, description: dict[str, Any]) -> None:
        signature = description["signature"]
        inputs = signature["inputs"]
        self.is_tensor = signature["kind"] == "tensor"
        self.layout: str = signature["layout"]
        self.names: list[str] = [each["name"] for each in inputs if each["name"]]
        self.types: list[str] = [each["type"] for each in inputs]
        self.dtypes: list[str] = [each.get("dtype") or "float64" for each in inputs]
        self.shapes: list[tuple[int, ...]] = [tuple(each.get("shape") or ()) for each in inputs]
        self.optional = {each["name"] for each in inputs if not each.get("required", True)}
        self.matrix_dtype: str = signature.get("dtype") or "float64"
        self.width = _width(self.is_tensor, self.layout, self.shapes, len(inputs))
        self._integer_columns = [i for i, kind in enumerate(self.types) if kind in _INTEGERS]

    # --- from bodies to arrays -----------------------------------------------------------------

    def batch(self, requests: list[Pending]) -> Batch:
        """Read and enforce every request; those that are wrong get their answer and leave the batch."""
        read: list[tuple[Pending, list[Row]]] = []
        for request in requests:
            try:
                read.append((request, self._rows_or_refusal(request)))
            except InputError as error:
                request.answer = refused(error)
        if not read:
            return Batch([], [], ())
        try:
            arrays = self.arrays([row for _, rows in read for row in rows])
        except InputError as error:
            if len(read) == 1:
                read[0][0].answer = refused(error)
                return Batch([], [], ())
            return self._without_the_wrong([request for request, _ in read])
        except UNREADABLE as error:
            if len(read) == 1:
                read[0][0].answer = refused(_unreadable(error))
                return Batch([], [], ())
            return self._without_the_wrong([request for request, _ in read])
        return Batch([request for request, _ in read], [len(rows) for _, rows in read], encode_arrays(arrays))

    def _without_the_wrong(self, requests: list[Pending]) -> Batch:
        """Some request does not fit the schema: find it alone, and batch the others."""
        good = [request for request in requests if self.batch([request]).requests]
        if len(good) == len(requests):
            raise NotTogetherError
        return self.batch(good)

    def _rows_or_refusal(self, request: Pending) -> list[Row]:
        """The request's rows; whatever a strange body makes Python raise is a refusal too."""
        try:
            return self.rows(request.read())
        except UNREADABLE as error:
            raise _unreadable(error) from None

    def rows(self, payload: dict[str, Any]) -> list[Row]:
        """The body's rows, each in the signature's column order. Raises InputError."""
        form = input_field(payload)
        data = payload[form]
        if form == "dataframe_records":
            return self._from_records(data)
        if form == "dataframe_split":
            return self._from_split(data)
        if form == "inputs" and isinstance(data, dict):
            return self._from_columns(data)
        if not isinstance(data, list):
            raise InputError("BAD_REQUEST", f"Invalid input. Field '{form}' must be a list of rows. Got {type(data).__name__}.")
        if data and isinstance(data[0], dict):
            return self._from_records(data, form)
        return self._from_tensor(data, form)

    def _from_records(self, records: Any, form: str = "dataframe_records") -> list[Row]:
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise InputError("BAD_REQUEST", f"Invalid input. Field '{form}' must be a list of objects, one for each row.")
        names = self.names
        try:
            if records and names:
                return [[record[name] for name in names] for record in records]
        except KeyError:
            pass
        given = set().union(*records) if records else set()
        self._check_columns(given)
        return [[record.get(name) for name in names] for record in records]

    def _from_split(self, split: Any) -> list[Row]:
        if not isinstance(split, dict):
            kind = "list" if isinstance(split, list) else type(split).__name__
            raise InputError("BAD_REQUEST", f"Invalid input. Dataframe split format must be a dictionary. Got {kind}.")
        columns, data = split.get("columns"), split.get("data")
        if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
            raise _bad_split("'data' must be a list of rows, each a list of values.")
        if columns is None:
            return self._from_tensor(data, "dataframe_split")
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            raise _bad_split("'columns' must be a list of names.")
        if wrong := next((row for row in data if len(row) != len(columns)), None):
            raise _bad_split(f"{len(columns)} columns passed, passed data had {len(wrong)} columns.")
        if columns == self.names:
            return data
        places = {name: place for place, name in enumerate(columns)}
        self._check_columns(set(places))
        if not self.names:
            return data
        order = [places.get(name) for name in self.names]
        return [[None if place is None else row[place] for place in order] for row in data]

    def _from_columns(self, columns: dict[str, Any]) -> list[Row]:
        self._check_columns(set(columns))
        wanted = [columns.get(name) for name in self.names] if self.names else list(columns.values())
        lists = [value if isinstance(value, list) else [value] for value in wanted]
        length = max((len(values) for values in lists), default=0)
        lists = [values if wanted[i] is not None else [None] * length for i, values in enumerate(lists)]
        if any(len(values) != length for values in lists):
            raise InputError("BAD_REQUEST", "Invalid input. Field 'inputs': all columns must have the same length.")
        return list(zip(*lists, strict=True))

    def _from_tensor(self, data: list[Any], form: str) -> list[Row]:
        rows = data if all(isinstance(row, list) for row in data) else [[value] for value in data]
        if not rows:
            self._check_columns(set())
        if self.width and (wrong := next((row for row in rows if len(row) != self.width), None)) is not None:
            names = f" in the order {self.names}" if self.names else ""
            raise InputError(
                "INVALID_PARAMETER_VALUE",
                f"Field '{form}' has a row of {len(wrong)} values; the model takes {self.width}{names}.",
            )
        return rows

    def _check_columns(self, given: set[str]) -> None:
        missing = [name for name in self.names if name not in given and name not in self.optional]
        if missing:
            schema = [
                f"'{n}': {t} ({'optional' if n in self.optional else 'required'})"
                for n, t in zip(self.names, self.types, strict=True)
            ]
            extra = sorted(given - set(self.names))
            note = f" Note that there were extra inputs: {extra}." if extra else ""
            raise InputError(
                "INVALID_PARAMETER_VALUE",
                f"Failed to enforce schema of data with schema '[{', '.join(schema)}]'. "
                f"Error: Model is missing inputs {missing}.{note}",
            )

    def arrays(self, rows: list[Row]) -> list[Array]:
        """One array for each model input: the whole matrix, or one for each column or tensor. Raises InputError."""
        if not rows:
            raise InputError("INVALID_PARAMETER_VALUE", "The input has no rows. Send at least one.")
        if self.is_tensor:
            return self._tensors(rows)
        if self.layout == "matrix":
            return [self._matrix(rows)]
        return [
            _as_dtype(self._column([row[place] for row in rows], name, kind), dtype).reshape(-1, 1)
            for place, (name, kind, dtype) in enumerate(zip(self.names, self.types, self.dtypes, strict=True))
        ]

    def _matrix(self, rows: list[Row]) -> Array:
        if self.matrix_dtype == "str":
            return np.array([[_as_text(value) for value in row] for row in rows], dtype=object)
        try:
            matrix = np.array(rows, dtype=np.float64)
        except (ValueError, TypeError):
            return self._matrix_by_column(rows)
        if matrix.ndim != 2:
            return self._matrix_by_column(rows)
        if self._integer_columns:
            block = matrix[:, self._integer_columns]
            if np.isnan(block).any():
                return self._matrix_by_column(rows)
            matrix[:, self._integer_columns] = np.trunc(block)
        return matrix.astype(self.matrix_dtype, copy=False)

    def _matrix_by_column(self, rows: list[Row]) -> Array:
        """The slow way, which names the column that cannot be converted."""
        kinds = enumerate(zip(self.names, self.types, strict=True))
        columns = [self._column([row[place] for row in rows], name, kind) for place, (name, kind) in kinds]
        return np.column_stack(columns).astype(self.matrix_dtype)

    def _tensors(self, rows: list[Row]) -> list[Array]:
        """Tensor signatures: the rows of the only tensor, or for each row one value for each named tensor."""
        if len(self.shapes) == 1:
            given = [[row[0] for row in rows] if self.names and self._is_named_row(rows) else rows]
        else:
            given = [[row[place] for row in rows] for place in range(len(self.shapes))]
        dtypes = [self.matrix_dtype] if self.layout == "matrix" else self.dtypes
        return [self._tensor(values, place, dtype) for place, (values, dtype) in enumerate(zip(given, dtypes, strict=True))]

    def _is_named_row(self, rows: list[Row]) -> bool:
        return len(rows[0]) == 1 and isinstance(rows[0][0], list)

    def _tensor(self, values: list[Any], place: int, dtype: str) -> Array:
        shape = self.shapes[place]
        try:
            tensor = np.array(values, dtype=object if dtype == "str" else dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError("BAD_REQUEST", f"Failed to convert the input to a tensor of type {dtype}. Error: {error}") from None
        wanted = shape[1:]
        if tensor.ndim != len(shape) or any(w not in {-1, n} for w, n in zip(wanted, tensor.shape[1:], strict=True)):
            raise InputError(
                "INVALID_PARAMETER_VALUE",
                f"The input has shape {tensor.shape}; the model takes {('any', *wanted)} (any number of rows first).",
            )
        return tensor

    @staticmethod
    def _column(values: list[Any], name: str, kind: str) -> Array:
        dtype = _NUMPY_TYPES.get(kind, object)
        if dtype is object:
            return np.array([_as_text(value) for value in values], dtype=object)
        try:
            if kind == "boolean":
                return np.array([bool(value) for value in values], dtype=dtype)
            column = np.array(values, dtype=np.float64)
        except (ValueError, TypeError):
            column = None
        if column is None or column.ndim != 1 or (kind in _INTEGERS and not np.isfinite(column).all()):
            shown = next((value for value in values if not _fits(value, kind)), None)
            type_name = np.dtype(dtype).name
            raise InputError(
                "BAD_REQUEST", f"Failed to convert column {name} to type '{type_name}'. The value {_shorten(shown)} does not fit."
            )
        if kind not in _INTEGERS:
            return column.astype(dtype)
        try:
            return np.array([_whole(value) for value in values], dtype=dtype)
        except OverflowError:
            limits = np.iinfo(dtype)
            shown = next((value for value in values if not limits.min <= _whole(value) <= limits.max), None)
            message = (
                f"Failed to convert column {name} to type '{np.dtype(dtype).name}'. The value {_shorten(shown)} does not fit."
            )
            raise InputError("BAD_REQUEST", message) from None

    # --- from values to bodies -----------------------------------------------------------------

    def answer(self, request: Pending, rows: list[Any] | None) -> RequestAnswer:
        """`{"predictions": …}` for the request's own rows."""
        if rows is None:
            return failed("RESULT_MISMATCH", "another number of values than it was given rows")
        return RequestAnswer(200, orjson.dumps({"predictions": rows}).decode())


def _width(is_tensor: bool, layout: str, shapes: list[tuple[int, ...]], inputs: int) -> int:
    """Values in one row when rows come without names; 0 when that is not known."""
    if not is_tensor:
        return inputs
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] > 0:
        return shapes[0][1]
    return inputs if len(shapes) > 1 else 0


def _as_dtype(column: Array, dtype: str) -> Array:
    return column if dtype == "str" or column.dtype == object else column.astype(dtype, copy=False)


def _unreadable(error: Exception) -> InputError:
    return InputError(
        "BAD_REQUEST", f"Invalid input. The body does not have the shape of its input field. {type(error).__name__}: {error}"
    )


def _bad_split(reason: str) -> InputError:
    return InputError(
        "BAD_REQUEST",
        f"Provided dataframe_split field is not a valid dataframe representation in 'split' format. Error: {reason}",
    )


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else str(value)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else int(float(value))


def _fits(value: Any, kind: str) -> bool:
    try:
        number = float(value) if value is not None else float("nan")
    except (ValueError, TypeError):
        return False
    return bool(np.isfinite(number)) or kind not in _INTEGERS


def _shorten(value: Any) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "…"
