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
        self.names: list[str] = [column["name"] for column in signature["inputs"]]
        self.types: list[str] = [column["type"] for column in signature["inputs"]]
        self.optional = {column["name"] for column in signature["inputs"] if not column.get("required", True)}
        self.is_tensor = signature["kind"] == "tensor"
        self.is_matrix = signature["layout"] == "matrix"
        self.dtype = np.dtype(signature.get("matrix_dtype") or "float64")
        self.width: int = len(self.names) or int(signature.get("width") or 0)
        self._integer_columns = [i for i, kind in enumerate(self.types) if kind in _INTEGERS]

    # --- from bodies to arrays -----------------------------------------------------------------

    def batch(self, requests: list[Pending]) -> Batch:
        """Read and enforce every request; those that are wrong get their answer and leave the batch."""
        read: list[tuple[Pending, list[Row]]] = []
        for request in requests:
            try:
                read.append((request, self.rows(request.read())))
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
        return Batch([request for request, _ in read], [len(rows) for _, rows in read], encode_arrays(arrays))

    def _without_the_wrong(self, requests: list[Pending]) -> Batch:
        """Some request does not fit the schema: find it alone, and batch the others."""
        good = [request for request in requests if self.batch([request]).requests]
        return self.batch(good)

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
        if not isinstance(columns, list):
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
        """One array for each model input: the whole matrix, or one (n, 1) column each. Raises InputError."""
        if not rows:
            raise InputError("INVALID_PARAMETER_VALUE", "The input has no rows. Send at least one.")
        if self.is_matrix:
            return [self._matrix(rows)]
        return [
            self._column([row[place] for row in rows], name, kind).reshape(-1, 1)
            for place, (name, kind) in enumerate(zip(self.names, self.types, strict=True))
        ]

    def _matrix(self, rows: list[Row]) -> Array:
        try:
            matrix = np.array(rows, dtype=np.float64)
        except (ValueError, TypeError):
            return self._matrix_by_column(rows)
        if self._integer_columns:
            block = matrix[:, self._integer_columns]
            if np.isnan(block).any():
                return self._matrix_by_column(rows)
            matrix[:, self._integer_columns] = np.trunc(block)
        return matrix.astype(self.dtype, copy=False)

    def _matrix_by_column(self, rows: list[Row]) -> Array:
        """The slow way, which names the column that cannot be converted."""
        names = self.names or [str(place) for place in range(len(rows[0]))]
        kinds = self.types or ["double"] * len(names)
        columns = [
            self._column([row[place] for row in rows], name, kind)
            for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ]
        return np.column_stack(columns).astype(self.dtype)

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
        return np.array([_whole(v) for v in values], dtype=dtype) if kind in _INTEGERS else column.astype(dtype)

    # --- from values to bodies -----------------------------------------------------------------

    def answer(self, request: Pending, rows: list[Any] | None) -> RequestAnswer:
        """`{"predictions": …}` for the request's own rows."""
        if rows is None:
            return failed("RESULT_MISMATCH", "another number of values than it was given rows")
        return RequestAnswer(200, orjson.dumps({"predictions": rows}).decode())


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
