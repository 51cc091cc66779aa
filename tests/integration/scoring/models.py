"""Models whose predictions show what became of the input: each answers with its own columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

PLANS = ["basic", "plus", "pro"]


def _echo(width: int) -> LinearRegression:
    """A fitted estimator that returns its input."""
    model = LinearRegression(fit_intercept=False).fit(np.eye(width), np.eye(width))
    model.coef_, model.intercept_ = np.eye(width), np.zeros(width)
    return model


def _table(rows: int = 60) -> pd.DataFrame:
    draw = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "a": draw.integers(0, 50, rows),
            "b": draw.normal(0, 10, rows).round(2),
            "c": draw.choice(PLANS, rows).astype(object),
            "d": draw.integers(0, 2, rows).astype(bool),
            "e": draw.integers(0, 50, rows).astype(np.int32),
            "f": draw.normal(0, 10, rows).astype(np.float32),
            "g": pd.Timestamp("2026-01-01") + pd.to_timedelta(draw.integers(0, 900, rows), "D"),
        }
    )


def _columns(*fields: tuple[str, DataType, bool], params: Any = None) -> ModelSignature:
    columns = [ColSpec(kind, name, required=required) for name, kind, required in fields]
    return ModelSignature(inputs=Schema(columns), params=params)


def _save(model: Any, folder: Path, signature: ModelSignature | None) -> None:
    options = {"signature": signature, "pip_requirements": ["scikit-learn"]}  # to infer them takes MLflow seconds
    mlflow.sklearn.save_model(model, str(folder), serialization_format="cloudpickle", **options)


def save_typed(folder: Path) -> None:
    """The signature of the measured table and more: a long, b double, c string, d boolean, e integer, f float, g datetime."""
    table = _table()
    columns = ColumnTransformer(
        [("numbers", "passthrough", ["a", "b", "d", "e", "f"]), ("plan", OneHotEncoder(handle_unknown="ignore"), ["c"])]
    )
    model = make_pipeline(columns, _echo(8))
    columns.fit(table)
    signature = _columns(
        ("a", DataType.long, True),
        ("b", DataType.double, True),
        ("c", DataType.string, True),
        ("d", DataType.boolean, True),
        ("e", DataType.integer, True),
        ("f", DataType.float, True),
        ("g", DataType.datetime, False),
        params=ParamSchema(
            [
                ParamSpec("times", DataType.long, 1),
                ParamSpec("name", DataType.string, "x"),
                ParamSpec("share", DataType.double, 0.5),
                ParamSpec("flags", DataType.boolean, [True], shape=(-1,)),
            ]
        ),
    )
    _save(model, folder, signature)


def save_numbers(folder: Path) -> None:
    """Only numbers: the path that is one matrix."""
    model = _echo(2)
    model.feature_names_in_ = np.array(["a", "b"], dtype=object)
    _save(model, folder, _columns(("a", DataType.long, True), ("b", DataType.double, True)))


def save_gaps(folder: Path) -> None:
    """A model that takes missing numbers, one column optional."""
    table = _table()[["a", "b"]].astype(float)
    model = HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=5).fit(table, table["a"] * 3 + table["b"])
    _save(model, folder, _columns(("a", DataType.double, True), ("b", DataType.double, False)))


def save_one(folder: Path) -> None:
    """A single column."""
    model = _echo(1)
    model.feature_names_in_ = np.array(["a"], dtype=object)
    _save(model, folder, _columns(("a", DataType.double, True)))


def save_tensor(folder: Path) -> None:
    """One unnamed tensor."""
    _save(_echo(3), folder, ModelSignature(inputs=Schema([TensorSpec(np.dtype("float64"), (-1, 3))])))


def save_plans(folder: Path) -> None:
    """Text that must be known, and labels that are text."""
    table = _table()[["c"]]
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(table, table["c"].map({p: i for i, p in enumerate(PLANS)}))
    _save(model, folder, infer_signature(table))


MODELS: dict[str, Callable[[Path], None]] = {
    "typed": save_typed,
    "numbers": save_numbers,
    "gaps": save_gaps,
    "one": save_one,
    "tensor": save_tensor,
    "plans": save_plans,
}
