"""Inference parameters checked against the signature (`mlflow.models.utils._enforce_params_schema`, 3.17.2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sandbox.builds.signature import ParamField
from sandbox.replicas.scoring.errors import ScoringError, invalid

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "string": (str,),
}


def check_params(params: Any, fields: Sequence[ParamField] | None) -> dict[str, Any]:
    """The parameters that the model gets: known names only, defaults for the others. Raises ScoringError."""
    if fields is None:
        return {}
    given = {} if params is None else params
    if not isinstance(given, dict):
        raise invalid(f"Parameters must be a dictionary. Got type '{type(given).__name__}'.")
    found: dict[str, Any] = {}
    wrong: set[tuple[str, str]] = set()
    for each in fields:
        try:
            found[each.name] = _checked(given[each.name], each) if each.name in given else each.default
        except ScoringError as error:
            wrong.add((each.name, error.message))
    if wrong:
        raise invalid(f"Invalid parameters found: {wrong!r}")
    return found


def _checked(value: Any, each: ParamField) -> Any:
    spelled = _spelled(each)
    if each.shape == (-1,) and not (isinstance(value, list) and np.array(value, dtype=object).ndim == 1):
        dimensions = np.array(value, dtype=object).ndim
        raise invalid(
            f"Value must be a 1D array with shape (-1,) for param {spelled}, received {type(value).__name__} with ndim "
            f"{dimensions}"
        )
    try:
        return [_cast(item, each.type) for item in value] if each.shape == (-1,) else _cast(value, each.type)
    except Exception as error:
        raise invalid(f"Failed to validate type and shape for {spelled}, error: {error}") from None


def _spelled(each: ParamField) -> str:
    shape = f" (shape: {each.shape})" if each.shape is not None else ""
    return f"{each.name!r}: {each.type} (default: {each.default}){shape}"


def _cast(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "datetime":
        return _time(value)
    if not np.isscalar(value):
        raise invalid(f"Value must be a scalar for type `DataType.{kind}`, got `{value!s}`")
    if type(value) in _PYTHON_TYPES.get(kind, ()):
        return _PYTHON_TYPES[kind][0](value)
    raise invalid(f"Can not safely convert `{type(value)}` to `DataType.{kind}` for value `{value!s}`")


def _time(value: Any) -> Any:
    try:
        found = np.datetime64(value).item()
    except ValueError:
        raise invalid(f"Failed to convert value `{value}` from type `{type(value)}` to `DataType.datetime`") from None
    if isinstance(found, int):
        raise invalid(
            f"Failed to convert value to `DataType.datetime`. It must be convertible to datetime.date/datetime, got `{value}`"
        )
    return found
