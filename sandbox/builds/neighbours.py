"""Nearest neighbours without the loop that skl2onnx writes (a `Scan`, which is not served). Runs in the jail."""

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from sandbox.builds import labels


def register() -> None:
    """Make skl2onnx use these converters, nested estimators included."""
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True, "auto"]}
    update_registered_converter(
        KNeighborsClassifier,
        "SklearnKNeighborsClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_classifier,
        options={**options, "raw_scores": [True, False]},
    )
    update_registered_converter(
        KNeighborsRegressor, "SklearnKNeighborsRegressor", calculate_linear_regressor_output_shapes, _convert_regressor
    )


def _neighbours(scope: Any, operator: Any, container: Any) -> str:
    """The positions of the nearest fitted rows, [N, neighbours].

    A row's own square is the same for all its distances, so it is left out: |y|² - 2 x·y has the same order as |x - y|².
    """
    model = operator.raw_operator
    if model.effective_metric_ != "euclidean" or model.weights not in {"uniform", None}:
        raise NotImplementedError("nearest neighbours other than Euclidean distance with uniform weights")
    fitted = np.asarray(model._fit_X, dtype=np.float64)
    rows = labels.as_double(scope, container, operator.inputs[0].full_name)
    products = labels.node(scope, container, "MatMul", [rows, labels.constant(scope, container, -2.0 * fitted.T)])
    squares = labels.constant(scope, container, (fitted**2).sum(axis=1).reshape(1, -1))
    distances = labels.node(scope, container, "Add", [products, squares], version=14)
    values, positions = (str(scope.get_unique_variable_name(name)) for name in ("distances", "positions"))
    container.add_node(
        "TopK",
        [distances, labels.constant(scope, container, [model.n_neighbors])],
        [values, positions],
        op_version=11,
        name=scope.get_unique_operator_name("TopK"),
        axis=1,
        largest=0,
        sorted=1,
    )
    return positions


def _mean_of(scope: Any, operator: Any, container: Any, table: Any) -> str:
    """The mean of the neighbours' rows of `table` (fitted rows, values): [N, values]."""
    found = labels.node(
        scope, container, "Gather", [labels.constant(scope, container, table), _neighbours(scope, operator, container)], axis=0
    )
    sums = labels.node(scope, container, "ReduceSum", [found, labels.constant(scope, container, [1])], keepdims=0)
    count = labels.constant(scope, container, float(operator.raw_operator.n_neighbors))
    return labels.node(scope, container, "Div", [sums, count], version=14)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    if model.outputs_2d_:
        raise NotImplementedError("a classifier with several outputs")
    votes = np.eye(len(model.classes_))[np.asarray(model._y).ravel()]
    shares = _mean_of(scope, operator, container, votes)
    indices = labels.node(scope, container, "ArgMax", [shares], axis=1, keepdims=0)
    labels.finish_labels(scope, operator, container, indices, model.classes_)
    labels.finish_scores(scope, operator, container, shares, 1)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    target = np.asarray(operator.raw_operator._y, dtype=np.float64)
    mean = _mean_of(scope, operator, container, target.reshape(len(target), -1))
    labels.finish_scores(scope, operator, container, mean, 0)
