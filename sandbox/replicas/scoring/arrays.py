"""From data that fit the signature to the arrays that the ONNX form takes; what the model itself would raise on is refused."""

from typing import Any

import numpy as np
import pandas as pd

from sandbox.builds.signature import MISSING_TEXT, NESTED_TEXT, NONE_TEXT, OTHER_TEXT, InputField, Signature, text_marker
from sandbox.replicas.scoring.errors import model_raised
from sandbox.replicas.scoring.limits import LARGEST_FLOAT32

_MARKERS = {MISSING_TEXT: "missing", NONE_TEXT: "none", OTHER_TEXT: "other", NESTED_TEXT: "nested"}


def model_arrays(data: Any, signature: Signature) -> list[Any]:
    """One array for each input of the ONNX form, see `Signature.layout`. Raises ScoringError."""
    if "always" in signature.refuses:
        raise model_raised(signature.refuses["always"])
    arrays = _of_columns(_table(data, signature), signature) if signature.kind == "columns" else _of_tensors(data, signature)
    if arrays and len(arrays[0]) == 0 and "no_rows" in signature.refuses:
        raise model_raised(signature.refuses["no_rows"])
    for name, limit in (("infinite", np.inf), ("too_large", LARGEST_FLOAT32)):
        if name in signature.refuses and any(_reaches(each, limit) for each in arrays):
            raise model_raised(signature.refuses[name])
    return arrays


def _reaches(array: Any, limit: float) -> bool:
    return array.dtype.kind == "f" and bool((np.abs(array) >= limit if limit == np.inf else np.abs(array) > limit).any())


def _table(data: Any, signature: Signature) -> pd.DataFrame:
    """A table with the signature's names; only models without a logged signature can get anything else."""
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, np.ndarray) and data.ndim == 2 and data.shape[1] == len(signature.inputs):
        return pd.DataFrame(data, columns=signature.names)
    raise model_raised(f"ValueError: the model takes a table with the columns {signature.names}, not {type(data).__name__}")


def _of_columns(table: pd.DataFrame, signature: Signature) -> list[Any]:
    columns = [_column(table, each) for each in signature.inputs]
    if signature.layout == "matrix":
        return [np.column_stack(columns).astype(object if signature.dtype == "str" else signature.dtype)]
    return [
        column.reshape((-1, *each.shape[1:]) if each.shape else (-1, 1))
        for column, each in zip(columns, signature.inputs, strict=True)
    ]


def _column(table: pd.DataFrame, each: InputField) -> Any:
    if each.name not in table:
        if "absent" in each.refuses or each.required:
            raise model_raised(each.refuses.get("absent") or f"ValueError: columns are missing: {{{each.name!r}}}")
        return np.full(len(table), MISSING_TEXT, object) if each.dtype == "str" else np.full(len(table), np.nan)
    column = table[each.name]
    values = _texts(column) if each.dtype == "str" else _numbers(column)
    _refuse(values, each)
    return values if each.dtype == "str" else values.astype(each.dtype, copy=False)


def _texts(column: Any) -> Any:
    return np.array([value if isinstance(value, str) else text_marker(value) for value in column.tolist()], dtype=object)


def _numbers(column: Any) -> Any:
    """Doubles (whole numbers as they are); a time as nanoseconds since 1970."""
    if column.dtype.kind == "M":
        times = column.to_numpy(dtype="datetime64[ns]")
        return np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))
    try:
        return column.to_numpy() if column.dtype.kind in "iufb" else column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise model_raised(f"{type(error).__name__}: {error}") from None


def _refuse(values: Any, each: InputField) -> None:
    """Raise what the model would raise on one of the values."""
    if each.dtype == "str":
        gaps = {_MARKERS[value] for value in values if value in _MARKERS}
    else:
        gaps = {"missing"} if values.dtype.kind == "f" and np.isnan(values).any() else set()
    for gap in sorted(gaps & set(each.refuses)):
        raise model_raised(each.refuses[gap])
    if "unknown" in each.refuses:
        known = set(each.known)
        wrong = [value for value in values.tolist() if value not in known and value not in _MARKERS and value == value]
        if wrong:
            raise model_raised(each.refuses["unknown"].replace("{values}", str(list(dict.fromkeys(wrong)))))


def _of_tensors(data: Any, signature: Signature) -> list[Any]:
    first = signature.inputs[0]
    if isinstance(data, pd.DataFrame) and not signature.is_declared and len(signature.inputs) == 1:
        data = data.to_numpy()
    given = [data.get(each.name) for each in signature.inputs] if isinstance(data, dict) else [data]
    if len(given) != len(signature.inputs) or not all(isinstance(each, np.ndarray) for each in given):
        raise model_raised(f"ValueError: the model takes {len(signature.inputs)} tensors")
    arrays = [_tensor(values, each) for values, each in zip(given, signature.inputs, strict=True)]
    if first.dtype != "str" and arrays[0].dtype.kind == "f" and "missing" in first.refuses and np.isnan(arrays[0]).any():
        raise model_raised(first.refuses["missing"])
    return arrays


def _tensor(values: Any, each: InputField) -> Any:
    if each.dtype == "str":
        return values.astype(object)
    try:
        array = values.astype(each.dtype, copy=False)
    except (ValueError, TypeError) as error:
        raise model_raised(f"{type(error).__name__}: {error}") from None
    wanted = each.shape[1:]
    if array.ndim != len(each.shape) or any(w not in {-1, n} for w, n in zip(wanted, array.shape[1:], strict=True)):
        raise model_raised(f"ValueError: the input has shape {array.shape}; the model takes {each.shape}")
    return array
