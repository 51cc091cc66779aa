"""Filling gaps with 64-bit numbers and texts, which skl2onnx's own converter cannot. Runs in the jail."""

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.impute import SimpleImputer

from sandbox.builds import labels


def register() -> None:
    """Make skl2onnx use this converter, inside pipelines and column transformers too."""
    update_registered_converter(SimpleImputer, "SklearnSimpleImputer", _shapes, _convert)


def _shapes(operator: Any) -> None:
    model = operator.raw_operator
    kinds = {type(each.type) for each in operator.inputs}
    kind = next((each for each in (StringTensorType, DoubleTensorType) if each in kinds), FloatTensorType)
    operator.outputs[0].type = kind([None, len(_kept_columns(model))])


def _kept_columns(model: Any) -> list[int]:
    """Columns that had no value at all when the imputer was fitted are dropped by it."""
    statistics = model.statistics_
    if statistics.dtype.kind != "f" or model.keep_empty_features:
        return list(range(len(statistics)))
    return [position for position, value in enumerate(statistics) if not np.isnan(value)]


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    if model.add_indicator:
        raise NotImplementedError("SimpleImputer with add_indicator=True")
    rows = str(concatenate_variables(scope, operator.inputs, container))
    is_text = isinstance(operator.outputs[0].type, StringTensorType)
    if is_text:
        missing = labels.constant(scope, container, [str(model.missing_values)])
        is_missing = labels.node(scope, container, "Equal", [rows, missing], version=19)
        fill = labels.constant(scope, container, [[str(value) for value in model.statistics_]])
    else:
        rows = labels.as_double(scope, container, rows)
        is_missing = _is_missing_number(scope, container, rows, model.missing_values)
        fill = labels.constant(scope, container, np.asarray(model.statistics_, dtype=np.float64).reshape(1, -1))
    filled = labels.node(scope, container, "Where", [is_missing, fill, rows], version=16)
    kept = _kept_columns(model)
    if len(kept) < len(model.statistics_):
        filled = labels.node(scope, container, "Gather", [filled, labels.constant(scope, container, kept)], axis=1)
    if is_text:
        labels.node(scope, container, "Identity", [filled], output=operator.outputs[0].full_name)
    else:
        labels.finish_scores(scope, operator, container, filled, 0)


def _is_missing_number(scope: Any, container: Any, rows: str, missing: Any) -> str:
    if missing is None or missing != missing:
        return labels.node(scope, container, "IsNaN", [rows])
    return labels.node(scope, container, "Equal", [rows, labels.constant(scope, container, float(missing))])
