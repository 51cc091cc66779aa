"""The signature enforced on what was read, as MLflow does before it calls a model (`mlflow/models/utils.py`, 3.17.2)."""

import decimal
from typing import Any

import numpy as np
import pandas as pd

from sandbox.replicas.scoring.errors import SCHEMA_ENFORCEMENT_FAILED, invalid
from sandbox.replicas.scoring.schema import Field, Schema


class Mismatch(Exception):
    """The data does not fit the signature."""


def enforced(data: Any, schema: Schema | None) -> Any:
    """A table with the signature's columns, an array, or a dictionary of arrays. Raises ScoringError."""
    if schema is None:
        return data
    try:
        return _enforced(data, schema)
    except Exception as error:
        message = f"Failed to enforce schema of data '{data}' with schema '{schema}'. Error: {error}"
        raise invalid(message, SCHEMA_ENFORCEMENT_FAILED) from None


def _enforced(data: Any, schema: Schema) -> Any:
    if not schema.is_tensor:
        data = _as_table(data)
    if schema.is_named:
        data = _check_names(data, schema)
    if schema.is_tensor:
        return _tensors(data, schema)
    return _columns(data, schema)


# --- columns -----------------------------------------------------------------------------------


def _as_table(data: Any) -> pd.DataFrame:
    if np.isscalar(data):
        return pd.DataFrame([data])
    if isinstance(data, dict):
        return _table_of(data)
    if isinstance(data, list | np.ndarray):
        return pd.DataFrame(data)
    if not isinstance(data, pd.DataFrame):
        raise Mismatch(f"Expected input to be DataFrame. Found: {type(data).__name__}")
    return data


def _table_of(columns: dict[str, Any]) -> pd.DataFrame:
    values = columns.values()
    if all(_is_one_value(value) for value in values):
        return pd.DataFrame([columns])
    try:
        if all(isinstance(each, np.ndarray) and each.dtype.type == np.str_ and each.shape == () for each in values):
            return pd.DataFrame([columns])
        if any(isinstance(each, np.ndarray) and each.ndim > 1 for each in values):
            return pd.DataFrame({n: v.tolist() if isinstance(v, np.ndarray) and v.ndim > 1 else v for n, v in columns.items()})
        return pd.DataFrame(columns)
    except Exception as error:
        raise Mismatch(
            "This model contains a column-based signature, which suggests a DataFrame input. There was an error casting the "
            f"input data to a DataFrame: {error}"
        ) from None


def _is_one_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return np.isscalar(value) or value is None


def _check_names(data: Any, schema: Schema) -> Any:
    """The data; a lone array as the lone column. Raises Mismatch for columns that are missing."""
    required, optional = schema.names(required=True), set(schema.names(required=False))
    given: list[Any] = []
    if len(required) == 1 and isinstance(data, np.ndarray):
        data, given = {required[0]: data}, required
    elif isinstance(data, pd.DataFrame | dict):
        given = list(dict.fromkeys(data))
    if missing := [name for name in required if name not in given]:
        extra = [name for name in given if name not in required and name not in optional]
        note = f" Note that there were extra inputs: {extra}." if extra else ""
        raise Mismatch(f"Model is missing inputs {missing}.{note}")
    return data


def _columns(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    return pd.DataFrame({each.name: _column(table[each.name], each) for each in schema.fields if each.name in table})


def _column(values: Any, each: Field) -> Any:
    """The column in the signature's type where that loses nothing. Raises Mismatch."""
    kind = each.type
    if values.dtype == object and kind != "string":
        values = values.infer_objects()
    if kind == "string" and (values.dtype == object or isinstance(values.dtype, pd.StringDtype)):
        return values
    if each.pandas == values.dtype or each.numpy == values.dtype:
        return values
    if kind == "datetime" and values.dtype.kind == "M":
        return _naive_times(values)
    if kind == "datetime" and values.dtype == object:
        return _times_of_objects(values, each)
    if kind == "boolean" and values.dtype == object:
        return values
    if kind == "double" and values.dtype == decimal.Decimal:
        return pd.to_numeric(values, errors="raise")
    if _is_upcast(values.dtype, each.numpy) or _is_zeros_and_ones(values, each.numpy):
        return values.astype(each.numpy, errors="raise")
    raise Mismatch(
        f"Incompatible input types for column {each.name}. Can not safely convert {values.dtype} to {each.numpy}."
        f"{_hint(values, each.numpy)}"
    )


def _naive_times(values: Any) -> Any:
    try:
        return values.astype(np.dtype("datetime64[ns]"))
    except TypeError as error:
        raise Mismatch(
            f"Please ensure that the input data of datetime column only contains timezone-naive datetime objects. Error: {error}"
        ) from None


def _times_of_objects(values: Any, each: Field) -> Any:
    try:
        return values.astype(np.dtype("datetime64[ns]"), errors="raise")
    except ValueError:
        raise Mismatch(f"Failed to convert column {each.name} from type {values.dtype} to {each.type}.") from None


def _is_upcast(given: Any, wanted: Any) -> bool:
    if given.kind == wanted.kind:
        return bool(given.itemsize <= wanted.itemsize)
    if given.kind == "u" and wanted.kind == "i":
        return bool(given.itemsize < wanted.itemsize)
    return bool(given.kind in "iu" and wanted == np.float64 and given.itemsize <= 6)


def _is_zeros_and_ones(values: Any, wanted: Any) -> bool:
    is_narrowing = values.dtype == np.int64 and wanted in (np.float32, np.float64)
    return bool(is_narrowing and all(pd.isnull(value) or value in [0, 1] for value in values))


def _hint(values: Any, wanted: Any) -> str:
    is_gap = values.dtype == np.float64 and wanted.kind in "iu" and values.hasnans
    if not (is_gap and all(pd.isnull(value) or int(value) == value for value in values)):
        return ""
    return (
        " Hint: the type mismatch is likely caused by missing values. Integer columns in python can not represent missing "
        "values and are therefore encoded as floats. The best way to avoid this problem is to infer the model schema based on "
        "a realistic data sample (training dataset) that includes missing values. Alternatively, you can declare integer "
        "columns as doubles (float64) whenever these columns may have missing values. See `Handling Integers With Missing "
        "Values <https://www.mlflow.org/docs/latest/models.html#handling-integers-with-missing-values>`_ for more details."
    )


# --- tensors -----------------------------------------------------------------------------------


def _tensors(data: Any, schema: Schema) -> Any:
    if schema.is_named:
        return _named_tensors(data, schema)
    each = schema.fields[0]
    if isinstance(data, pd.DataFrame):
        return _tensor_of_table(data, each)
    if isinstance(data, np.ndarray):
        return _fitting(data, each)
    raise Mismatch(
        "This model contains a tensor-based model signature with no input names, which suggests a numpy array input or a pandas "
        f"dataframe input with proper column values, but an input of type {type(data)} was found."
    )


def _named_tensors(data: Any, schema: Schema) -> dict[str, Any]:
    if isinstance(data, pd.DataFrame):
        return {each.name: _stacked(each.name, data[each.name], each) for each in schema.fields}
    if not isinstance(data, dict):
        raise Mismatch(
            "This model contains a tensor-based model signature with input names, which suggests a dictionary input mapping "
            "input name to tensor, or a pandas DataFrame input containing columns mapping input name to flattened list value "
            f"from tensor, but an input of type {type(data)} was found."
        )
    found = {}
    for each in schema.fields:
        if not isinstance(data[each.name], np.ndarray):
            raise Mismatch(
                "This model contains a tensor-based model signature with input names, which suggests a dictionary input mapping "
                f"input name to a numpy array, but a dict with value type {type(data[each.name])} was found."
            )
        found[each.name] = _fitting(data[each.name], each)
    return found


def _tensor_of_table(table: pd.DataFrame, each: Field) -> Any:
    if table.empty:
        raise Mismatch("Input DataFrame is empty.")
    width = len(table.columns)
    if width == 1:
        return _stacked(None, table[table.columns[0]], each)
    if each.shape != (-1, width):
        raise Mismatch(
            "This model contains a model signature with an unnamed input. Since the input data is a pandas DataFrame containing "
            "multiple columns, the input shape must be of the structure (-1, number_of_dataframe_columns). Instead, the input "
            f"DataFrame passed had {width} columns and an input shape of {each.shape} with all values within the DataFrame of "
            "scalar type. Please adjust the passed in DataFrame to match the expected structure"
        )
    return _fitting(table.to_numpy(), each)


def _stacked(name: str | None, column: Any, each: Field) -> Any:
    """A tensor of the values, or of the lists, in one column of a table."""
    if each.shape[0] != -1 or -1 in each.shape[1:]:
        raise Mismatch(
            "For pandas dataframe input, the first dimension of shape must be a variable dimension and other dimensions must be "
            f"fixed, but in model signature the shape of {'input ' + name if name else 'the unnamed input'} is {each.shape}."
        )
    first = column[0]
    if np.isscalar(first):
        if each.shape in {(-1,), (-1, 1)}:
            return _fitting(np.array(column, dtype=each.numpy).reshape(each.shape), each)
        raise Mismatch(
            f"The input pandas dataframe column '{name}' contains scalar values, which requires the shape to be (-1,) or "
            f"(-1, 1), but got tensor spec shape of {each.shape}."
        )
    if not (isinstance(first, list) and np.isscalar(first[0])):
        raise Mismatch(
            "Because the model signature requires tensor spec input, the input pandas dataframe values should be either scalar "
            "value, python list containing scalar values or numpy array containing scalar values, other types are not supported."
        )
    try:
        stacked = np.vstack(column.tolist()).reshape(each.shape).astype(each.numpy)
    except ValueError:
        stacked = None
    if stacked is None or len(stacked) != len(column):
        raise Mismatch(
            f"The value in the Input DataFrame column '{name}' could not be converted to the expected shape of: '{each.shape}'. "
            "Ensure that each of the input list elements are of uniform length and that the data can be coerced to the tensor "
            f"type '{each.numpy}'"
        )
    return stacked


def _fitting(values: Any, each: Field) -> Any:
    """The tensor itself when its shape and type fit. Raises Mismatch."""
    kind = np.dtype("str") if values.dtype.kind == "U" else values.dtype
    if each.shape == (-1,) and each.numpy.kind == "O":
        return values
    if len(each.shape) > 1 and -1 in each.shape[1:] and values.ndim == 1 and values.dtype.kind == "O":
        return values
    same = len(each.shape) == values.ndim and all(w in {-1, n} for w, n in zip(each.shape, values.shape, strict=True))
    if not same:
        raise Mismatch(f"Shape of input {values.shape} does not match expected shape {each.shape}.")
    if kind != each.numpy:
        raise Mismatch(f"dtype of input {values.dtype} does not match expected dtype {each.numpy}")
    return values
