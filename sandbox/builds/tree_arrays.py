"""Trees of scikit-learn as arrays, and as the attributes of ONNX's tree operators. Runs in the jail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sandbox.builds import labels


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


def histogram_tree(predictor: Any) -> Tree:
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
