"""What has to be known of an estimator, and changed in it, before it is written as ONNX. Runs in the jail."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer

from sandbox.builds.boosters import with_marked_gaps
from sandbox.builds.mlmodel import MOST_COLUMNS, LoggedModel
from sandbox.builds.not_convertible import NotConvertible
from sandbox.builds.samples import column_hints
from sandbox.builds.signature import MISSING_TEXT, NONE_TEXT, InputField, text_marker
from sandbox.builds.unpickle import describe
from sandbox.jail.errors import JobProblem


def model_inputs(model: Any, logged: LoggedModel) -> tuple[InputField, ...]:
    """The model's inputs by its logged signature, or by what it was fitted on. Raises JobProblem."""
    if logged.inputs is None:
        return _fitted_inputs(model)
    if not logged.is_tensor:
        _refuse_unnameable(logged.inputs)
        return tuple(
            InputField(each.name, each.type, each.required, "str" if each.type == "string" else "float64")
            for each in logged.inputs
        )
    first = logged.inputs[0]
    if len(logged.inputs) != 1 or len(first.shape) != 2:
        raise NotConvertible(
            "The logged signature has tensors that a scikit-learn model does not take; one of shape (-1, number of features) is. "
            "Log the model with signature=infer_signature(X, model.predict(X))."
        )
    width = first.shape[1] if first.shape[1] > 0 else int(getattr(model, "n_features_in_", 0))
    return (_tensor(width, first.dtype, first.name),)


def _fitted_inputs(model: Any) -> tuple[InputField, ...]:
    """Without a signature: the names the model was fitted with, else only their number."""
    names = getattr(model, "feature_names_in_", None)
    if names is not None and 0 < len(names) <= MOST_COLUMNS:
        texts = {
            position for position, hint in column_hints(model, list(names)) if any(isinstance(v, str) for v in hint.categories)
        }
        return tuple(
            InputField(str(name), "string", True, "str") if position in texts else InputField(str(name), "double")
            for position, name in enumerate(names)
        )
    width = int(getattr(model, "n_features_in_", 0))
    if not width:
        raise NotConvertible(
            f"{describe(model)} was logged without a signature and does not say how many columns it takes. "
            "Log it with signature=infer_signature(X, model.predict(X))."
        )
    return (_tensor(width, "float64", ""),)


def _tensor(width: int, dtype: str, name: str) -> InputField:
    if not 0 < width <= MOST_COLUMNS:
        raise NotConvertible(f"The model takes {width} columns; between 1 and {MOST_COLUMNS} can be served.")
    is_text = dtype in {"str", "object"}
    return InputField(name, dtype, True, "str" if is_text else "float64", (-1, width))


def _refuse_unnameable(inputs: Sequence[InputField]) -> None:
    names = [each.name for each in inputs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names or not all(names):
        raise JobProblem(
            f"The signature's columns need different, non-empty names; check {', '.join(twice) or 'the empty ones'}."
        )


def needs_columns(model: Any, inputs: Sequence[InputField]) -> bool:
    """Whether the model picks columns by name or mixes text and numbers; else one matrix does, which is faster."""
    kinds = {each.dtype == "str" for each in inputs}
    return len(kinds) > 1 or any(isinstance(part, ColumnTransformer) for part in parts(model))


def parts(model: Any, depth: int = 0) -> Iterator[Any]:
    """The estimator and every fitted estimator inside it."""
    if depth > 20:
        return
    if isinstance(model, BaseEstimator):
        yield model
        for name, value in vars(model).items():
            if name != "_preprocessor":  # histogram gradient boosting's own, for categories that ONNX has no form for
                yield from parts(value, depth + 1)
    elif isinstance(model, list | tuple):
        for value in model:
            yield from parts(value, depth + 1)
    elif isinstance(model, dict):
        for value in model.values():
            yield from parts(value, depth + 1)


def prepared_for_conversion(model: Any, table: Any) -> Any:
    """The model, or a copy that predicts the same, without what skl2onnx stumbles over. `table`: rows that it takes.

    ONNX has no missing text: a replica hands over a marker, and the copy takes that for missing.
    """
    if any(_fills_text(part) or _knows_missing_text(part) or _has_one_intercept(part) for part in parts(model)):
        model = copy.deepcopy(model)
    for part in parts(model):
        if _has_one_intercept(part):
            part.intercept_ = np.full(len(part.coef_), part.intercept_)
        if isinstance(part, VotingClassifier):
            part.flatten_transform = False  # shapes the output of transform(), which nobody calls
        elif _fills_text(part):
            part.missing_values = NONE_TEXT if part.missing_values is None else MISSING_TEXT
        elif _knows_missing_text(part):
            part.categories_ = [_with_markers(categories) for categories in part.categories_]
    return with_marked_gaps(model, table)


def _has_one_intercept(part: Any) -> bool:
    """Of several targets, as fit_intercept=False leaves it."""
    return isinstance(getattr(part, "intercept_", None), float) and np.ndim(getattr(part, "coef_", 0)) == 2


def _fills_text(part: Any) -> bool:
    statistics = getattr(part, "statistics_", None)  # an unfitted copy stays in a ColumnTransformer
    is_text = isinstance(part, SimpleImputer) and statistics is not None and statistics.dtype.kind in "OUS"
    return is_text and not isinstance(part.missing_values, str)


def _knows_missing_text(part: Any) -> bool:
    """Whether an encoder counts a missing text as a category."""
    return any(
        categories.dtype.kind == "O" and any(isinstance(value, str) for value in categories) and any(map(_is_missing, categories))
        for categories in getattr(part, "categories_", [])
    )


def _with_markers(categories: Any) -> Any:
    if categories.dtype.kind != "O":
        return categories
    return np.array([text_marker(value) if _is_missing(value) else value for value in categories], dtype=object)


def _is_missing(value: Any) -> bool:
    return value is None or value != value
