"""Exact ONNX forms of scikit-learn's trees, forests and boosted trees. Runs in the jail.

skl2onnx writes weights and sums as 32-bit floats, so that a forest's near-even votes may tip over (1.4 % of the rows in
one measured case). Here everything is a double and summed in scikit-learn's order: labels are equal, values agree to the
last digits.

Classifiers use the operators of ai.onnx.ml 3, whose sums are doubles inside and floats at the output; that keeps their
labels exact. Regressors use `TreeEnsemble` of ai.onnx.ml 5, whose output is a double too; skl2onnx knows only version 3,
so `declare_operator_sets` corrects the finished model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass
class Tree:
    """One tree as arrays; a node is a leaf when `left` is -1."""

    left: Any
    right: Any
    feature: Any
    threshold: Any
    missing_left: Any
    value: Any
    """Shape (nodes, outputs or classes)."""


@dataclass
class Ensemble:
    """The attributes of the TreeEnsemble operator, filled tree by tree."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    true_ids: list[int] = field(default_factory=list)
    true_leaves: list[int] = field(default_factory=list)
    false_ids: list[int] = field(default_factory=list)
    false_leaves: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    def add(self, tree: Tree, weights: Any, target: int) -> None:
        """Add the tree; `weights` holds a value for each of its nodes, of which those of the leaves count."""
        first_node, first_leaf = len(self.features), len(self.weights)
        is_leaf = tree.left == -1
        position = np.where(is_leaf, np.cumsum(is_leaf) - 1 + first_leaf, np.cumsum(~is_leaf) - 1 + first_node)
        self.roots.append(first_node)
        self.weights += weights[is_leaf].astype(float).tolist()
        self.targets += [target] * int(is_leaf.sum())
        if is_leaf[0]:  # a tree of one leaf is written as a node whose branches both lead to it
            self._add_node_over_leaf(first_leaf)
            return
        inner = ~is_leaf
        self.features += tree.feature[inner].astype(int).tolist()
        self.splits += tree.threshold[inner].astype(float).tolist()
        self.true_ids += position[tree.left[inner]].astype(int).tolist()
        self.true_leaves += is_leaf[tree.left[inner]].astype(int).tolist()
        self.false_ids += position[tree.right[inner]].astype(int).tolist()
        self.false_leaves += is_leaf[tree.right[inner]].astype(int).tolist()
        self.missing_true += tree.missing_left[inner].astype(int).tolist()

    def _add_node_over_leaf(self, leaf: int) -> None:
        for values in (self.features, self.missing_true):
            values.append(0)
        self.splits.append(0.0)
        for values in (self.true_ids, self.false_ids):
            values.append(leaf)
        for values in (self.true_leaves, self.false_leaves):
            values.append(1)

    def write(self, scope: Any, container: Any, name: str, n_targets: int) -> str:
        """Add the operator to the graph; returns the name of its sums, doubles of shape [N, n_targets]."""
        output = str(scope.get_unique_variable_name("sums"))
        container.add_node(
            "TreeEnsemble",
            [name],
            output,
            op_domain=labels.ML_DOMAIN,
            op_version=3,  # see declare_operator_sets
            name=scope.get_unique_operator_name("TreeEnsemble"),
            tree_roots=self.roots,
            nodes_featureids=self.features,
            nodes_splits=labels.tensor(self.splits),
            nodes_modes=labels.tensor([0] * len(self.features), np.uint8),  # 0 is <=
            nodes_truenodeids=self.true_ids,
            nodes_trueleafs=self.true_leaves,
            nodes_falsenodeids=self.false_ids,
            nodes_falseleafs=self.false_leaves,
            nodes_missing_value_tracks_true=self.missing_true,
            leaf_weights=labels.tensor(self.weights),
            leaf_targetids=self.targets,
            n_targets=n_targets,
            aggregate_function=1,
            post_transform=0,
        )
        return output


def plain_tree(tree: Any) -> Tree:
    """A tree of `sklearn.tree`; its value has the shape (nodes, outputs, classes)."""
    missing = getattr(tree, "missing_go_to_left", None)
    return Tree(
        left=np.asarray(tree.children_left),
        right=np.asarray(tree.children_right),
        feature=np.maximum(tree.feature, 0),
        threshold=np.asarray(tree.threshold, dtype=np.float64),
        missing_left=np.zeros(tree.node_count) if missing is None else np.asarray(missing),
        value=np.asarray(tree.value, dtype=np.float64).reshape(tree.node_count, -1),
    )


def _histogram_tree(predictor: Any) -> Tree:
    """A tree of histogram gradient boosting."""
    nodes = predictor.nodes
    if nodes["is_categorical"].any():
        raise NotImplementedError("categorical features inside histogram gradient boosting")
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=np.where(is_leaf, 0, nodes["feature_idx"].astype(np.int64)),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"],
        value=nodes["value"].astype(np.float64).reshape(-1, 1),
    )


def members(model: Any) -> list[Any]:
    """The fitted trees of a tree or a forest."""
    return [each.tree_ for each in getattr(model, "estimators_", [model])]


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


def node_attributes(trees: Sequence[Tree]) -> dict[str, Any]:
    """The nodes of all trees, as the operators of ai.onnx.ml 3 want them."""
    sizes = [len(tree.left) for tree in trees]
    is_leaf = np.concatenate([tree.left == -1 for tree in trees])
    return {
        "post_transform": "NONE",
        "nodes_treeids": np.repeat(np.arange(len(trees)), sizes).tolist(),
        "nodes_nodeids": np.concatenate([np.arange(size) for size in sizes]).tolist(),
        "nodes_featureids": np.concatenate([tree.feature for tree in trees]).astype(int).tolist(),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values_as_tensor": labels.tensor(np.concatenate([np.where(t.left == -1, 0.0, t.threshold) for t in trees])),
        "nodes_truenodeids": np.concatenate([np.maximum(tree.left, 0) for tree in trees]).astype(int).tolist(),
        "nodes_falsenodeids": np.concatenate([np.maximum(tree.right, 0) for tree in trees]).astype(int).tolist(),
        "nodes_missing_value_tracks_true": np.concatenate([tree.missing_left for tree in trees]).astype(int).tolist(),
    }


def leaf_attributes(prefix: str, trees: Sequence[Tree], weights: Sequence[Any], targets: Any) -> dict[str, Any]:
    """The leaves' weights. `weights`: for each tree an array (nodes, targets of a leaf).

    `targets`: the targets of every leaf, or of each tree's leaves in turn (trees, targets of a leaf). Weights are not divided
    by the number of trees, so that even votes stay even.
    """
    leaves = [np.flatnonzero(tree.left == -1) for tree in trees]
    width = weights[0].shape[1]
    by_tree = np.broadcast_to(np.asarray(targets), (len(trees), width))
    return {
        f"{prefix}_treeids": np.repeat(np.arange(len(trees)), [len(each) * width for each in leaves]).tolist(),
        f"{prefix}_nodeids": np.repeat(np.concatenate(leaves), width).tolist(),
        f"{prefix}_ids": np.concatenate([np.tile(own, len(at)) for own, at in zip(by_tree, leaves, strict=True)]).tolist(),
        f"{prefix}_weights_as_tensor": labels.tensor(
            np.concatenate([each[at].ravel() for each, at in zip(weights, leaves, strict=True)])
        ),
    }


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
        trees = [_histogram_tree(predictor) for _, predictor in members]
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
