"""Linear classifiers that skl2onnx cannot write with doubles, and ensembles' settings that it refuses. Runs in the jail."""

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.svm import LinearSVC

from sandbox.builds import labels


def register() -> None:
    """Make skl2onnx use these converters, nested estimators included."""
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True, "auto"]}
    for kind in (RidgeClassifier, RidgeClassifierCV, LinearSVC):
        update_registered_converter(
            kind,
            f"Sklearn{kind.__name__}",
            calculate_linear_classifier_output_shapes,
            _convert_linear_classifier,
            options={**options, "raw_scores": [True, False]},
        )


def _convert_linear_classifier(scope: Any, operator: Any, container: Any) -> None:
    """The label by the decision values; those stand where others have probabilities, as in scikit-learn there are none."""
    model = operator.raw_operator
    n_classes = len(model.classes_)
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    start = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64).ravel(), weights.shape[0])
    rows = labels.as_double(scope, container, operator.inputs[0].full_name)
    product = labels.node(scope, container, "MatMul", [rows, labels.constant(scope, container, weights.T)])
    raw = labels.node(scope, container, "Add", [product, labels.constant(scope, container, start)], version=14)
    indices = labels.label_indices(scope, container, raw, n_classes, tie_is_second=False)
    labels.finish_labels(scope, operator, container, indices, model.classes_)
    if n_classes == 2:
        negative = labels.node(scope, container, "Neg", [raw])
        raw = labels.node(scope, container, "Concat", [negative, raw], axis=1)
    labels.finish_scores(scope, operator, container, raw, 1)
