"""Exact ONNX forms of scikit-learn's trees, forests and boosted trees. Runs in the jail.

skl2onnx writes weights and sums as 32-bit floats, so that a forest's near-even votes may tip over (1.4 % of the rows in
one measured case). Here everything is a double and summed in scikit-learn's order: labels are equal, values agree to the
last digits.

Classifiers use the operators of ai.onnx.ml 3, whose sums are doubles inside and floats at the output; that keeps their
labels exact. Regressors use `TreeEnsemble` of ai.onnx.ml 5, whose output is a double too; skl2onnx knows only version 3,
so `declare_operator_sets` corrects the finished model.
"""

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from sandbox.builds import labels
from sandbox.builds.tree_arrays import Ensemble, Tree, histogram_tree, leaf_attributes, members, node_attributes, plain_tree

_CLASSIFIER_OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True, "auto"]}


def register() -> None:
    """Make skl2onnx use these converters, nested estimators included."""
    for kind in (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier):
        _register(kind, calculate_linear_classifier_output_shapes, _convert_voting_classifier)
    for kind in (GradientBoostingClassifier, HistGradientBoostingClassifier):
        _register(kind, calculate_linear_classifier_output_shapes, _convert_boosted_classifier)
    for kind in (DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor, ExtraTreesRegressor):
        _register(kind, calculate_linear_regressor_output_shapes, _convert_averaging_regressor)
    for kind in (GradientBoostingRegressor, HistGradientBoostingRegressor):
        _register(kind, calculate_linear_regressor_output_shapes, _convert_boosted_regressor)


def _register(kind: type, shapes: Any, converter: Any) -> None:
    options = {**_CLASSIFIER_OPTIONS, "raw_scores": [True, False]} if "Classifier" in kind.__name__ else None
    update_registered_converter(kind, f"Sklearn{kind.__name__}", shapes, converter, options=options)


def _convert_voting_classifier(scope: Any, operator: Any, container: Any) -> None:
    """A tree or a forest: the class with the largest sum of probabilities."""
    model = operator.raw_operator
    if model.n_outputs_ != 1:
        raise NotImplementedError("a classifier with several outputs")
    trees = [plain_tree(tree) for tree in members(model)]
    rounded = labels.rounded_to_float(scope, container, operator.inputs[0].full_name)
    votes = str(scope.get_unique_variable_name("votes"))
    weights = [tree.value[:, : len(model.classes_)] for tree in trees]
    container.add_node(
        "TreeEnsembleClassifier",
        [rounded],
        [operator.outputs[0].full_name, votes],
        op_domain=labels.ML_DOMAIN,
        op_version=3,
        name=scope.get_unique_operator_name("TreeEnsembleClassifier"),
        **_class_names(model.classes_),
        **node_attributes(trees),
        **leaf_attributes("class", trees, weights, np.arange(len(model.classes_))),
    )
    if len(model.classes_) == 2:
        limits = [labels.constant(scope, container, [value]) for value in (0, 2, 1)]
        votes = labels.node(scope, container, "Slice", [votes, *limits])
    doubles = labels.as_double(scope, container, votes)
    mean = labels.node(scope, container, "Div", [doubles, labels.constant(scope, container, float(len(trees)))], version=14)
    labels.finish_scores(scope, operator, container, mean, 1)


def _class_names(classes: Any) -> dict[str, Any]:
    """The labels as attributes.

    With two classes ONNX Runtime compares the second one's sum with 0.5 instead of comparing the two; a third class that
    never gets a vote makes it compare.
    """
    if np.asarray(classes).dtype.kind in "OUS":
        names = [str(each) for each in classes]
        return {"classlabels_strings": [*names, "".join(names) + "?"] if len(names) == 2 else names}
    numbers = [int(each) for each in classes]
    return {"classlabels_int64s": [*numbers, max(numbers) + 1] if len(numbers) == 2 else numbers}


def _convert_averaging_regressor(scope: Any, operator: Any, container: Any) -> None:
    """A tree or a forest: the mean of the trees' values."""
    model = operator.raw_operator
    trees = [plain_tree(tree) for tree in members(model)]
    ensemble = Ensemble()
    for tree in trees:
        for target in range(model.n_outputs_):
            ensemble.add(tree, tree.value[:, target], target)
    rounded = labels.rounded_to_float(scope, container, operator.inputs[0].full_name)
    sums = ensemble.write(scope, container, rounded, model.n_outputs_)
    mean = labels.node(scope, container, "Div", [sums, labels.constant(scope, container, float(len(trees)))], version=14)
    labels.finish_scores(scope, operator, container, mean, 0)


def _boosted_trees(model: Any) -> tuple[list[Tree], list[Any], list[int]]:
    """The trees of boosting, the weights of their nodes (nodes, 1), and the target that each adds to."""
    if hasattr(model, "_predictors"):
        if getattr(model, "_preprocessor", None) is not None:
            raise NotImplementedError("categorical features inside histogram gradient boosting")
        members = [(target, predictor) for step in model._predictors for target, predictor in enumerate(step)]
        trees = [histogram_tree(predictor) for _, predictor in members]
        return trees, [tree.value[:, :1] for tree in trees], [target for target, _ in members]
    members = [(target, member) for step in model.estimators_ for target, member in enumerate(step)]
    trees = [plain_tree(member.tree_) for _, member in members]
    return trees, [model.learning_rate * tree.value[:, :1] for tree in trees], [target for target, _ in members]


def _boosting_start(model: Any) -> Any:
    """What the trees' values are added to: a constant, unless an estimator of one's own was given as `init`."""
    if hasattr(model, "_predictors"):
        return np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    if not isinstance(model.init_, str) and type(model.init_).__name__ not in {"DummyClassifier", "DummyRegressor"}:
        raise NotImplementedError("gradient boosting that starts from another estimator (init=…)")
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return np.asarray(model._raw_predict_init(row), dtype=np.float64).ravel()


def _seen_input(scope: Any, operator: Any, container: Any) -> str:
    """The input as the trees compare it: histogram gradient boosting looks at doubles, the others at floats."""
    name = operator.inputs[0].full_name
    prepare = labels.as_double if hasattr(operator.raw_operator, "_predictors") else labels.rounded_to_float
    return prepare(scope, container, name)


def _convert_boosted_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    n_classes = len(model.classes_)
    n_targets = 1 if n_classes == 2 else n_classes
    trees, weights, targets = _boosted_trees(model)
    sums = str(scope.get_unique_variable_name("sums"))
    container.add_node(
        "TreeEnsembleRegressor",
        [_seen_input(scope, operator, container)],
        sums,
        op_domain=labels.ML_DOMAIN,
        op_version=3,
        name=scope.get_unique_operator_name("TreeEnsembleRegressor"),
        n_targets=n_targets,
        base_values_as_tensor=labels.tensor(_boosting_start(model)),
        **node_attributes(trees),
        **leaf_attributes("target", trees, weights, np.reshape(targets, (-1, 1))),
    )
    raw = labels.as_double(scope, container, sums)
    # gradient boosting compares with >= 0, histogram gradient boosting compares two probabilities
    indices = labels.label_indices(scope, container, raw, n_classes, tie_is_second=not hasattr(model, "_predictors"))
    labels.finish_labels(scope, operator, container, indices, model.classes_)
    scale = 2.0 if getattr(model, "loss", "") == "exponential" else 1.0
    labels.finish_scores(scope, operator, container, labels.probabilities(scope, container, raw, n_classes, scale), 1)


def _convert_boosted_regressor(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    trees, weights, _ = _boosted_trees(model)
    ensemble = Ensemble()
    for tree, values in zip(trees, weights, strict=True):
        ensemble.add(tree, values[:, 0], 0)
    sums = ensemble.write(scope, container, _seen_input(scope, operator, container), 1)
    raw = labels.node(scope, container, "Add", [sums, labels.constant(scope, container, _boosting_start(model))], version=14)
    if getattr(model, "loss", "") in {"poisson", "gamma"}:
        raw = labels.node(scope, container, "Exp", [raw])
    labels.finish_scores(scope, operator, container, raw, 0)


def declare_operator_sets(model: Any) -> None:
    """Correct the operator sets of a finished model: each domain once, ai.onnx.ml as new as the nodes need it."""
    versions: dict[str, int] = {}
    for each in model.opset_import:
        versions[each.domain] = max(each.version, versions.get(each.domain, 0))
    kinds = {(each.domain, each.op_type) for each in model.graph.node}
    if (labels.ML_DOMAIN, "TreeEnsemble") in kinds:
        versions[labels.ML_DOMAIN] = 5
    elif any(kind.startswith("TreeEnsemble") for _, kind in kinds):
        versions[labels.ML_DOMAIN] = 3
    del model.opset_import[:]
    for domain, version in versions.items():
        each = model.opset_import.add()
        each.domain, each.version = domain, version
