"""Do the model and its ONNX form predict the same? Runs in the jail."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sandbox.builds.signature import InputField, Signature, text_marker

MOST_LABELS_WRONG = 0.001
"""Share of rows."""
MOST_RELATIVE_ERROR = 1e-4
"""Of a number, relative to it or, near zero, to the usual size of the predictions."""


@dataclass(frozen=True)
class Agreement:
    """The outcome of one comparison."""

    rows: int
    labels_wrong: float = 0.0
    relative_error: float = 0.0
    first_difference: str = ""

    @property
    def is_close(self) -> bool:
        return self.labels_wrong <= MOST_LABELS_WRONG and self.relative_error <= MOST_RELATIVE_ERROR

    @property
    def is_exact(self) -> bool:
        return self.labels_wrong == 0.0 and self.relative_error <= 1e-9

    @property
    def distance(self) -> float:
        """For choosing the closest of several forms."""
        return self.labels_wrong / MOST_LABELS_WRONG + self.relative_error / MOST_RELATIVE_ERROR

    def sentence(self) -> str:
        if self.labels_wrong:
            share = f"{self.labels_wrong:.2%} of {self.rows} rows get another label"
        elif self.relative_error > 1e-12:
            share = f"largest relative difference {self.relative_error:.1e} on {self.rows} rows"
        else:
            return f"equal on {self.rows} rows"
        return f"{share} (first: {self.first_difference})" if self.first_difference else share


def together(outcomes: Sequence[Agreement]) -> Agreement:
    """The worst of several comparisons, with the rows of all of them."""
    worst = max(outcomes, key=lambda outcome: outcome.distance)
    return replace(worst, rows=sum(outcome.rows for outcome in outcomes))


def as_frame(rows: pd.DataFrame, inputs: Sequence[InputField]) -> pd.DataFrame:
    """The rows under their names and in the types that MLflow hands to a model: texts as pandas makes them of JSON."""
    types = {
        "double": "float64",
        "float": "float32",
        "long": "int64",
        "integer": "int32",
        "boolean": "bool",
        "datetime": "datetime64[ns]",
    }
    columns = {}
    for position, each in enumerate(inputs):
        column = rows[position]
        columns[each.name] = _as_texts(column) if each.type == "string" else column.astype(types[each.type])
    return pd.DataFrame(columns)


def _as_texts(column: Any) -> Any:
    texts = pd.Series(column.tolist(), index=column.index)
    return texts if isinstance(texts.dtype, pd.StringDtype) else texts.astype(object)


def as_arrays(rows: pd.DataFrame, signature: Signature) -> list[Any]:
    """The rows as the arrays that a replica hands to the runtime."""
    if signature.layout == "per_column":
        return [_typed(rows[position], each.dtype).reshape(-1, 1) for position, each in enumerate(signature.inputs)]
    dtype = signature.dtype if signature.layout == "matrix" else signature.inputs[0].dtype
    if dtype == "str":
        return [np.column_stack([_typed(rows[position], dtype) for position in rows.columns])]
    return [rows.to_numpy(dtype=dtype)]


def _typed(column: Any, dtype: str) -> Any:
    if dtype == "str":
        return np.array([value if isinstance(value, str) else text_marker(value) for value in column.tolist()], dtype=object)
    if column.dtype.kind == "M":
        return column.astype("datetime64[ns]").astype("int64").to_numpy(dtype=dtype)
    return column.to_numpy(dtype=dtype)


def compare(wanted: Any, got: list[Any]) -> Agreement:
    """`wanted`: what `model.predict` returned; `got`: the runtime's values for the same rows."""
    expected = np.asarray(wanted)
    if len(got) != len(expected):
        return Agreement(rows=len(expected), labels_wrong=1.0, first_difference=f"{len(got)} values for {len(expected)} rows")
    if expected.dtype.kind != "f":
        return _compare_labels(expected.tolist(), got)
    found = np.asarray(got, dtype=np.float64)
    if found.shape != expected.shape:
        return Agreement(len(expected), 1.0, 0.0, f"shape {found.shape} instead of {expected.shape}")
    return _compare_numbers(expected.astype(np.float64), found)


def _compare_labels(expected: list[Any], got: list[Any]) -> Agreement:
    wrong = [(a, b) for a, b in zip(expected, got, strict=True) if not _is_same(a, b)]
    if not wrong:
        return Agreement(rows=len(expected))
    return Agreement(len(expected), len(wrong) / len(expected), 0.0, f"{wrong[0][1]!r} instead of {wrong[0][0]!r}")


def _is_same(wanted: Any, found: Any) -> bool:
    """Equal and of the same type, label by label where a row has several."""
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_is_same, wanted, found))
    return type(wanted) is type(found) and bool(wanted == found)


def _compare_numbers(expected: Any, found: Any) -> Agreement:
    both_missing = np.isnan(expected) & np.isnan(found)
    usual = float(np.nanmedian(np.abs(expected))) if np.isfinite(expected).any() else 1.0
    size = np.maximum(np.maximum(np.abs(expected), usual), 1e-12)
    error = np.where(both_missing | (expected == found), 0.0, np.abs(expected - found) / size)
    error = np.where(np.isnan(error), np.inf, error)
    worst = int(np.argmax(error.ravel()))
    largest = float(error.ravel()[worst]) if error.size else 0.0
    if largest == 0.0:
        return Agreement(rows=len(expected))
    return Agreement(len(expected), 0.0, largest, f"{found.ravel()[worst]:.9g} instead of {expected.ravel()[worst]:.9g}")
