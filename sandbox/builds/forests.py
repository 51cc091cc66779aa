"""Forests of scikit-learn as flat arrays, for replicas that evaluate many rows at a time. Runs in the jail."""

from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from sandbox.builds.forest_arrays import MAX_BYTES, MAX_TEXT, Array, ForestArrays
from sandbox.builds.signature import Signature
from sandbox.builds.tree_arrays import Tree, members, plain_tree

_KINDS = (RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier, ExtraTreeClassifier)


def forest_of(model: Any, signature: Signature) -> str:
    """The forest as text for the model file; empty for other models, and for one that is too large."""
    if type(model) not in _KINDS or signature.layout != "matrix" or signature.dtype not in {"float32", "float64"}:
        return ""
    nodes = members(model)
    trees = [_paired(plain_tree(each)) for each in nodes]
    starts = np.cumsum([0, *(len(tree.left) for tree in trees[:-1])])
    forest = ForestArrays(
        classes=_classes(model.classes_),
        gives_probabilities=signature.output.form == "vector",
        width=len(signature.inputs),
        thresholds=np.concatenate([np.where(_is_leaf(tree), np.inf, _floats_not_above(tree.threshold)) for tree in trees]),
        features=np.concatenate([tree.feature for tree in trees]),
        children=np.concatenate([tree.left + start for tree, start in zip(trees, starts, strict=True)]),
        values=np.concatenate([tree.value[:, : len(model.classes_)] for tree in trees]),
        roots=starts,
        depths=np.array([each.max_depth for each in nodes]),
    )
    text = forest.to_text() if forest.values.nbytes <= MAX_BYTES else ""
    return text if len(text) <= MAX_TEXT else ""


def _classes(classes: Any) -> list[int] | list[str]:
    """As `trees` writes them into the ONNX form."""
    return [str(each) for each in classes] if np.asarray(classes).dtype.kind in "OUS" else [int(each) for each in classes]


def _paired(tree: Tree) -> Tree:
    """The same tree with its root first and then pairs of children, in the order of their parents; a leaf's child is itself."""
    inner = np.flatnonzero(tree.left != -1)
    places = np.zeros(len(tree.left), dtype=np.int64)
    places[tree.left[inner]] = 1 + 2 * np.arange(len(inner))
    places[tree.right[inner]] = 2 + 2 * np.arange(len(inner))
    order = np.argsort(places)
    left = np.where(tree.left == -1, places, places[tree.left])[order]
    return Tree(left, tree.right, *(each[order] for each in (tree.feature, tree.threshold, tree.missing_left, tree.value)))


def _is_leaf(tree: Tree) -> Array:
    """Of a tree in pairs."""
    return np.asarray(tree.left == np.arange(len(tree.left)))


def _floats_not_above(thresholds: Array) -> Array:
    """Each threshold as the largest float that is not above it: floats compare with it as they do with the double."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
