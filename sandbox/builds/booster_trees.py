"""What the boosters of XGBoost and LightGBM consist of: their trees, and what is done with the trees' sums. Runs in the jail.

NotImplementedError says, as scikit-learn's converters do, that a model has no exact ONNX form: `sandbox.builds.convert` writes
the sentence into the build's log and goes on as with any form that is not close enough.
"""

import importlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from sandbox.builds.tree_arrays import Tree


def _installed(name: str) -> Any:
    """The module; None when it is not installed, or lacks the OpenMP library (libgomp) that it needs."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):
        return None


xgboost = _installed("xgboost")
lightgbm = _installed("lightgbm")


class NativeBooster(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A booster that was logged without the scikit-learn interface; predicts what `mlflow.xgboost` or `mlflow.lightgbm` do."""

    def __init__(self, booster: Any = None) -> None:
        self.booster = booster

    def predict(self, table: Any) -> Any:
        return self.booster.predict(xgboost.DMatrix(table) if self.is_xgboost else table)

    @property
    def is_xgboost(self) -> bool:
        return xgboost is not None and isinstance(self.booster, xgboost.Booster)

    @property
    def n_features_in_(self) -> int:
        return int(self.booster.num_features() if self.is_xgboost else self.booster.num_feature())

    @property
    def feature_names_in_(self) -> Any:
        names = self.booster.feature_names if self.is_xgboost else self.booster.feature_name()
        return None if names is None else np.array(names, dtype=object)


@dataclass(frozen=True)
class Boosted:
    """Trees and what is done with their sums."""

    trees: list[Tree]
    targets: list[int]
    n_targets: int
    start: list[float]
    """What the sums begin with, one for each target."""
    link: str
    """`identity`, `logistic`, `softmax`, `exp`, `label` (the index of the largest), `square`."""
    scale: float = 1.0
    """Of the argument of the logistic function."""
    is_double: bool = False
    divisor: float = 1.0


def boosted_of(model: Any) -> Boosted:
    """What a `NativeBooster` or a model with the scikit-learn interface holds. Raises NotImplementedError."""
    if isinstance(model, NativeBooster):
        return _xgboosted(model.booster, every_tree=True) if model.is_xgboost else _lightgbm_boosted(model.booster)
    if hasattr(model, "get_booster"):
        if not (isinstance(model.missing, float) and math.isnan(model.missing)):
            raise NotImplementedError("an XGBoost model for which missing is another value than NaN")
        return _xgboosted(model.get_booster(), every_tree=False)
    return _lightgbm_boosted(model.booster_)


_XGBOOST_LINKS = {
    "binary:logistic": "logistic",
    "reg:logistic": "logistic",
    "multi:softprob": "softmax",
    "multi:softmax": "label",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    **dict.fromkeys(
        ("reg:squarederror", "reg:absoluteerror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:quantileerror"), "identity"
    ),
    **dict.fromkeys(("binary:logitraw", "rank:ndcg", "rank:pairwise", "rank:map"), "identity"),
}


def _xgboosted(booster: Any, *, every_tree: bool) -> Boosted:
    """`every_tree`: also those after the best iteration, as `Booster.predict` does."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    gradient_booster, objective = learner["gradient_booster"], str(learner["objective"]["name"])
    if gradient_booster["name"] != "gbtree" or objective not in _XGBOOST_LINKS:
        raise NotImplementedError(f"XGBoost's booster {gradient_booster['name']} with the objective {objective}")
    model = gradient_booster["model"]
    known, ends = model["trees"], model.get("iteration_indptr") or []
    best = booster.attributes().get("best_iteration")
    if best is not None and not every_tree and int(best) + 1 < len(ends):
        known = known[: ends[int(best) + 1]]
    link = _XGBOOST_LINKS[objective]
    n_targets = max(int(learner["learner_model_param"]["num_class"]), int(learner["learner_model_param"].get("num_target", 1)), 1)
    trees = [_xgboost_tree(tree) for tree in known]
    return Boosted(trees, model["tree_info"][: len(trees)], n_targets, _xgboost_start(learner, link, n_targets), link)


def _xgboost_start(learner: dict[str, Any], link: str, n_targets: int) -> list[float]:
    """`base_score` as a margin; versions before 3.1 write one number, later ones a list."""
    text = learner["learner_model_param"]["base_score"]
    scores = np.atleast_1d(np.asarray(json.loads(text), dtype=np.float32))
    if link == "logistic":
        scores = -np.log(np.float32(1.0) / scores - np.float32(1.0))
    elif link == "exp":
        scores = np.log(scores)
    return [float(each) for each in np.broadcast_to(scores, n_targets)]


def _xgboost_tree(raw: dict[str, Any]) -> Tree:
    if any(raw["split_type"]) or int(raw["tree_param"].get("size_leaf_vector") or 1) > 1:
        raise NotImplementedError("XGBoost's categorical splits and leaves of several values")
    left, conditions = np.array(raw["left_children"]), np.array(raw["split_conditions"], dtype=np.float32)
    is_leaf = left == -1
    # XGBoost goes left below the threshold, ONNX's node at or below it
    below = np.nextafter(conditions, np.float32(-np.inf))
    return Tree(
        left=left,
        right=np.array(raw["right_children"]),
        feature=np.where(is_leaf, 0, np.array(raw["split_indices"])),
        threshold=below.astype(np.float64),
        missing_left=np.array(raw["default_left"]),
        value=conditions.astype(np.float64).reshape(-1, 1),
    )


def _lightgbm_boosted(booster: Any) -> Boosted:
    raw = booster.dump_model()
    name, *settings = str(raw.get("objective", "custom")).split(" ")
    scale = next((float(each.split(":")[1]) for each in settings if each.startswith("sigmoid:")), 1.0)
    links = {
        "binary": "logistic",
        "cross_entropy": "logistic",
        "multiclass": "softmax",
        "multiclassova": "logistic",
        **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
        **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
        **dict.fromkeys(("lambdarank", "rank_xendcg"), "identity"),
    }
    if name not in links:
        raise NotImplementedError(f"LightGBM's objective {name}")
    per_iteration = int(raw["num_tree_per_iteration"])
    trees = [_lightgbm_tree(each["tree_structure"]) for each in raw["tree_info"]]
    return Boosted(
        trees,
        [position % per_iteration for position in range(len(trees))],
        per_iteration,
        [0.0] * per_iteration,
        "square" if "sqrt" in settings else links[name],
        scale,
        is_double=True,
        divisor=len(trees) / per_iteration if raw.get("average_output") else 1.0,
    )


def _lightgbm_tree(root: dict[str, Any]) -> Tree:
    """The nested nodes as arrays. A gap counts as 0 where the tree was fitted without any."""
    nodes: list[tuple[int, int, int, float, int, float]] = []

    def add(raw: dict[str, Any]) -> int:
        place = len(nodes)
        nodes.append((-1, -1, 0, 0.0, 0, float(raw.get("leaf_value", 0.0))))
        if "split_feature" not in raw:
            if raw.get("leaf_coeff"):
                raise NotImplementedError("LightGBM's linear trees")
            return place
        if raw["decision_type"] != "<=" or raw["missing_type"] == "Zero":
            raise NotImplementedError("LightGBM's categorical splits and zeros that count as missing")
        limit = float(raw["threshold"])
        gap_left = bool(raw["default_left"]) if raw["missing_type"] == "NaN" else limit >= 0.0
        left, right = add(raw["left_child"]), add(raw["right_child"])
        nodes[place] = (left, right, int(raw["split_feature"]), limit, int(gap_left), 0.0)
        return place

    add(root)
    left, right, feature, threshold, missing_left, value = (np.array(each) for each in zip(*nodes, strict=True))
    return Tree(left, right, feature, threshold.astype(np.float64), missing_left, value.reshape(-1, 1))
