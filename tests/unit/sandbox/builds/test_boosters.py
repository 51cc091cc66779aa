"""XGBoost and LightGBM, alone and inside pipelines, predict as they do when MLflow calls them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.lightgbm
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sandbox.builds.operations import build_model
from sandbox.replicas.runtimes.onnx import OnnxRuntime
from tests.unit.sandbox.builds.data import arrays, churn, customers, numbers

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

TREES = {"n_estimators": 40, "max_depth": 4, "random_state": 1}
QUIET = {**TREES, "verbose": -1, "n_jobs": 1}


def gappy(rows: int, seed: int) -> pd.DataFrame:
    table = numbers(rows=rows, seed=seed)
    table.iloc[::7, 1] = np.nan
    return table


def target(table: pd.DataFrame, classes: int) -> Any:
    score = table["f0"] + (table["f1"].fillna(1.0) * table["f2"]) / 3
    return score if not classes else np.digitize(score, [0.0] if classes == 2 else [-2.0, 2.0])


REQUIREMENTS = ["scikit-learn", "xgboost", "lightgbm"]
"""Named, because MLflow would load each model in a process of its own to infer them, which takes seconds."""


def agrees(save: Callable[..., None], model: Any, table: pd.DataFrame, fresh: pd.DataFrame, folder: Path) -> OnnxRuntime:
    """Log the model, build it, and compare on rows that the build never saw."""
    save(model, str(folder / "model"), signature=infer_signature(table), pip_requirements=REQUIREMENTS)
    built = build_model(folder / "model", into=folder / "store")
    assert built.path.suffix == ""
    runtime = OnnxRuntime(built.path.read_bytes())
    wanted = np.asarray(mlflow.pyfunc.load_model(str(folder / "model")).predict(fresh))
    found = runtime.predict(arrays(runtime.signature, fresh))
    if type(model).__name__ == "XGBRegressor":
        assert found == wanted.tolist()  # its sums are floats in the same order
    elif wanted.dtype.kind == "f":
        is_float = wanted.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-6 if is_float else 1e-13, atol=1.2e-7 if is_float else 0)
    else:
        assert found == wanted.tolist()
    return runtime


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("XGBClassifier", 2), ("XGBClassifier", 3), ("XGBRegressor", 0)],
)
def test_xgboost(kind: str, classes: int, tmp_path: Path) -> None:
    table, fresh = gappy(400, 3), gappy(4000, 77)
    model = getattr(xgboost, kind)(**TREES).fit(table, target(table, classes))
    agrees(mlflow.xgboost.save_model, model, table, fresh, tmp_path)


@pytest.mark.parametrize(
    "objective",
    [
        {"objective": "binary:logistic"},
        {"objective": "multi:softprob", "num_class": 3},
        {"objective": "multi:softmax", "num_class": 3},
        {"objective": "count:poisson"},
    ],
    ids=lambda each: each["objective"],
)
def test_a_native_booster(objective: dict[str, Any], tmp_path: Path) -> None:
    table, fresh = gappy(400, 3), gappy(2000, 78)
    wanted = target(table, 3 if "num_class" in objective else 2)
    booster = xgboost.train({**objective, "max_depth": 4}, xgboost.DMatrix(table, wanted), 20)
    agrees(mlflow.xgboost.save_model, booster, table, fresh, tmp_path)


def test_early_stopping_keeps_the_best_iteration(tmp_path: Path) -> None:
    table, fresh = gappy(300, 3), gappy(1000, 79)
    model = xgboost.XGBRegressor(**TREES | {"n_estimators": 200}, early_stopping_rounds=3, learning_rate=0.5)
    held_out = gappy(100, 4)
    noise = np.random.default_rng(1).normal(0, 5, 300)
    model.fit(table, target(table, 0) + noise, eval_set=[(held_out, target(held_out, 0))], verbose=False)
    assert model.best_iteration < 190
    agrees(mlflow.xgboost.save_model, model, table, fresh, tmp_path)


@pytest.mark.parametrize(("kind", "classes"), [("LGBMClassifier", 2), ("LGBMClassifier", 3), ("LGBMRegressor", 0)])
def test_lightgbm(kind: str, classes: int, tmp_path: Path) -> None:
    table, fresh = gappy(400, 3), gappy(4000, 77)
    wanted = target(table, classes)
    model = getattr(lightgbm, kind)(**QUIET).fit(table, np.array(["lo", "mid", "hi"])[wanted] if classes else wanted)
    agrees(mlflow.lightgbm.save_model, model, table, fresh, tmp_path)


@pytest.mark.parametrize("objective", ["binary", "regression", "poisson"])
def test_a_native_lightgbm_booster(objective: str, tmp_path: Path) -> None:
    table, fresh = numbers(400), gappy(2000, 78)
    table["f3"] = table["f3"].round()
    data = lightgbm.Dataset(table, target(table, 2))
    booster = lightgbm.train({"objective": objective, "verbose": -1, "num_leaves": 9, "num_threads": 1}, data, 20)
    agrees(mlflow.lightgbm.save_model, booster, table, fresh, tmp_path)


@pytest.mark.parametrize("classifier", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_inside_a_pipeline_with_texts(classifier: str, method: str, tmp_path: Path) -> None:
    """One-hot columns make the matrix sparse, where XGBoost takes every zero for a gap."""
    table, fresh = customers(400), customers(2000, seed=9)
    last = xgboost.XGBClassifier(**TREES) if classifier == "xgboost" else lightgbm.LGBMClassifier(**QUIET)
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["tenure", "Monthly Charges"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["plan", "customerID"]),
        ]
    )
    wanted = (churn(table) == "Yes").astype(int)
    model = make_pipeline(columns, last).fit(table, wanted)
    assert columns.sparse_output_

    def save(model: Any, folder: str, **options: Any) -> None:
        mlflow.sklearn.save_model(model, folder, serialization_format="cloudpickle", pyfunc_predict_fn=method, **options)

    runtime = agrees(save, model, table, fresh, tmp_path)
    assert runtime.signature.output.form == ("vector" if method == "predict_proba" else "scalar")
    assert runtime.signature.versions[classifier]


def test_what_has_no_onnx_form_is_served_as_it_is(tmp_path: Path) -> None:
    table = numbers(100)
    booster = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(table, target(table, 0)), 5)
    mlflow.xgboost.save_model(booster, str(tmp_path / "model"), signature=infer_signature(table), pip_requirements=REQUIREMENTS)
    built = build_model(tmp_path / "model", into=tmp_path / "store")
    assert built.runtime == "pyfunc"
    assert "XGBoost's booster gblinear" in built.log
