"""Exact ONNX forms of XGBoost's and LightGBM's trees, inside scikit-learn pipelines too. Runs in the jail.

XGBoost compares and sums 32-bit floats, LightGBM doubles; each is written with the operator that does the same in the same
order, so that margins are equal to the last bit and only the exponential of a link may differ in its last digit.
"""

import copy
import math
from typing import Any

import numpy as np
from scipy.sparse import issparse
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes

from sandbox.builds import labels
from sandbox.builds.booster_trees import Boosted, NativeBooster, boosted_of, lightgbm, xgboost
from sandbox.builds.not_convertible import NotConvertible
from sandbox.builds.tree_arrays import Ensemble, Tree, leaf_attributes, node_attributes

ZEROS_ARE_MISSING = "_zeros_are_missing"
"""Set on an XGBoost model whose pipeline hands it a sparse matrix: what a sparse matrix leaves out, XGBoost takes for missing."""

_OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True, "auto"]}
_OPTIONS["raw_scores"] = [True, False]


def register() -> None:
    """Make skl2onnx use these converters, nested estimators included."""
    update_registered_converter(NativeBooster, "NativeBooster", _native_shapes, _convert_regressor)
    if xgboost is not None:
        for kind in (xgboost.XGBClassifier, xgboost.XGBRFClassifier):
            _register(kind, calculate_linear_classifier_output_shapes, _convert_classifier, _OPTIONS)
        for kind in (xgboost.XGBRegressor, xgboost.XGBRFRegressor, xgboost.XGBRanker):
            _register(kind, _native_shapes, _convert_regressor)
    if lightgbm is not None:
        _register(lightgbm.LGBMClassifier, calculate_linear_classifier_output_shapes, _convert_classifier, _OPTIONS)
        for kind in (lightgbm.LGBMRegressor, lightgbm.LGBMRanker):
            _register(kind, calculate_linear_regressor_output_shapes, _convert_regressor)


def _register(kind: type, shapes: Any, converter: Any, options: Any = None) -> None:
    update_registered_converter(kind, kind.__name__, shapes, converter, options=options)


# --- loading -----------------------------------------------------------------------------------


def load_xgboost(content: bytes, model_class: str) -> Any:
    """The model that `mlflow.xgboost` wrote. Raises NotConvertible."""
    if xgboost is None:
        raise NotConvertible("The package xgboost is not installed here.")
    name = model_class.rpartition(".")[2]
    if name != "Booster" and name not in {"XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"}:
        raise NotConvertible(f"{model_class} has no ONNX form here.")
    model = getattr(xgboost, name)()
    model.load_model(bytearray(content))
    return NativeBooster(model) if name == "Booster" else model


def load_lightgbm(content: bytes) -> Any:
    """The booster that `mlflow.lightgbm` wrote as text. Raises NotConvertible."""
    if lightgbm is None:
        raise NotConvertible("The package lightgbm is not installed here.")
    return NativeBooster(lightgbm.Booster(model_str=content.decode("utf-8", "replace")))


def versions(model: Any) -> dict[str, str]:
    """Of the booster's package."""
    package = _package(model)
    return {} if package is None else {package.__name__: str(package.__version__)}


def _package(model: Any) -> Any:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    name = type(last.booster if isinstance(last, NativeBooster) else last).__module__.partition(".")[0]
    return {"xgboost": xgboost, "lightgbm": lightgbm}.get(name)


def with_marked_gaps(model: Any, table: Any) -> Any:
    """The model; a copy when it is a pipeline that hands XGBoost a sparse matrix, with `ZEROS_ARE_MISSING` set."""
    steps = getattr(model, "steps", [])
    if len(steps) < 2 or not type(steps[-1][1]).__module__.startswith("xgboost."):
        return model
    if not issparse(model[:-1].transform(table)):
        return model
    model = copy.deepcopy(model)
    setattr(model.steps[-1][1], ZEROS_ARE_MISSING, True)
    return model


# --- writing -----------------------------------------------------------------------------------


def _margins(scope: Any, operator: Any, container: Any, boosted: Boosted) -> str:
    """The sums of the trees, doubles of shape [N, targets]."""
    name = operator.inputs[0].full_name
    if boosted.is_double:
        return _double_margins(scope, container, labels.as_double(scope, container, name), boosted)
    return _float_margins(scope, container, _floats(scope, operator, container, name), boosted)


def _floats(scope: Any, operator: Any, container: Any, name: str) -> str:
    name = labels.node(scope, container, "Cast", [name], to=1)
    if not getattr(operator.raw_operator, ZEROS_ARE_MISSING, False):
        return name
    zero, gap = (labels.node(scope, container, "Cast", [labels.constant(scope, container, v)], to=1) for v in (0.0, math.nan))
    is_zero = labels.node(scope, container, "Equal", [name, zero], version=19)
    return labels.node(scope, container, "Where", [is_zero, gap, name], version=16)


def _float_margins(scope: Any, container: Any, rows: str, boosted: Boosted) -> str:
    """Summed as 32-bit floats that begin with the start, which is written as a first tree of one leaf for each target."""
    leaf = np.array([-1])
    starts = [Tree(leaf, leaf, np.zeros(1), np.zeros(1), np.zeros(1), np.array([[value]])) for value in boosted.start]
    trees = starts + boosted.trees
    targets = [*range(boosted.n_targets), *boosted.targets]
    attributes = {
        **node_attributes(trees),
        **leaf_attributes("target", trees, [tree.value[:, :1] for tree in trees], np.reshape(targets, (-1, 1))),
    }
    for old, new in (("nodes_values_as_tensor", "nodes_values"), ("target_weights_as_tensor", "target_weights")):
        attributes[new] = labels.numbers(attributes.pop(old)).astype(np.float32).tolist()
    sums = str(scope.get_unique_variable_name("sums"))
    container.add_node(
        "TreeEnsembleRegressor",
        [rows],
        sums,
        op_domain=labels.ML_DOMAIN,
        op_version=3,
        name=scope.get_unique_operator_name("TreeEnsembleRegressor"),
        n_targets=boosted.n_targets,
        **attributes,
    )
    return labels.as_double(scope, container, sums)


def _double_margins(scope: Any, container: Any, rows: str, boosted: Boosted) -> str:
    ensemble = Ensemble()
    for tree, target in zip(boosted.trees, boosted.targets, strict=True):
        ensemble.add(tree, tree.value[:, 0], target)
    sums = ensemble.write(scope, container, rows, boosted.n_targets)
    if boosted.divisor == 1.0:
        return sums
    return labels.node(scope, container, "Div", [sums, labels.constant(scope, container, boosted.divisor)], version=14)


def _linked(scope: Any, container: Any, margins: str, boosted: Boosted) -> str:
    """What `Booster.predict` makes of the margins, doubles of shape [N, targets] (of shape [N, 1] for labels)."""
    if boosted.link == "identity":
        return margins
    if boosted.link == "label":
        return labels.as_double(scope, container, labels.node(scope, container, "ArgMax", [margins], axis=1, keepdims=1))
    if boosted.link == "softmax":
        return labels.node(scope, container, "Softmax", [margins], axis=1)
    if boosted.link == "exp":
        return labels.node(scope, container, "Exp", [margins])
    if boosted.link == "square":
        size = labels.node(scope, container, "Abs", [margins])
        return labels.node(scope, container, "Mul", [margins, size], version=14)
    scaled = labels.node(scope, container, "Mul", [margins, labels.constant(scope, container, boosted.scale)], version=14)
    return labels.node(scope, container, "Sigmoid", [scaled])


def _in_its_precision(scope: Any, container: Any, values: str, boosted: Boosted) -> str:
    return values if boosted.is_double else labels.rounded_to_float(scope, container, values)


def _native_shapes(operator: Any) -> None:
    boosted = boosted_of(operator.raw_operator)
    kind = DoubleTensorType if isinstance(operator.inputs[0].type, DoubleTensorType) else FloatTensorType
    operator.outputs[0].type = kind([None, 1 if boosted.link == "label" else boosted.n_targets])


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    boosted = boosted_of(operator.raw_operator)
    values = _linked(scope, container, _margins(scope, operator, container, boosted), boosted)
    labels.finish_scores(scope, operator, container, _in_its_precision(scope, container, values, boosted), 0)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """The label by the probabilities, as both packages choose it."""
    model = operator.raw_operator
    boosted = boosted_of(model)
    if boosted.link not in {"logistic", "softmax"} or boosted.n_targets not in {1, len(model.classes_)}:
        raise NotImplementedError(f"a classifier whose objective gives {boosted.link} of {boosted.n_targets} sums")
    margins = _margins(scope, operator, container, boosted)
    chances = _in_its_precision(scope, container, _linked(scope, container, margins, boosted), boosted)
    if boosted.n_targets == 1:
        first = labels.node(scope, container, "Sub", [labels.constant(scope, container, 1.0), chances], version=14)
        first = _in_its_precision(scope, container, first, boosted)
        both = labels.node(scope, container, "Concat", [first, chances], axis=1)
        half = labels.constant(scope, container, 0.5)
        larger = labels.node(scope, container, "Greater", [chances, half])
        whole = labels.node(scope, container, "Cast", [larger], to=7)
        indices = labels.node(scope, container, "Reshape", [whole, labels.constant(scope, container, [-1])])
    else:
        both = chances
        indices = labels.node(scope, container, "ArgMax", [chances], axis=1, keepdims=0)
    labels.finish_labels(scope, operator, container, indices, model.classes_)
    labels.finish_scores(scope, operator, container, both, 1)
