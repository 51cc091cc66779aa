"""A logged scikit-learn model becomes one ONNX file that predicts the same."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sandbox.builds.operations import BuiltModel, build_model
from sandbox.builds.signature import METADATA_KEY, Signature
from sandbox.replicas.runtimes.onnx import OnnxRuntime
from tests.unit.sandbox.builds.conftest import LogModel
from tests.unit.sandbox.builds.data import arrays, churn, customers, numbers

Built = Callable[..., tuple[BuiltModel, OnnxRuntime]]


def churn_pipeline(classifier: Any) -> Pipeline:
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["tenure", "Monthly Charges"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ]
    )
    return make_pipeline(columns, classifier)


@pytest.mark.parametrize("serialization_format", ["skops", "cloudpickle", "pickle"])
def test_it_works(built: Built, serialization_format: str) -> None:
    table = customers()
    model = churn_pipeline(LogisticRegression()).fit(table, churn(table))
    stored, runtime = built(model, table, serialization_format=serialization_format)
    fresh = customers(seed=9)
    assert runtime.predict(arrays(runtime.signature, fresh)) == model.predict(fresh).tolist()
    assert stored.sha256 == hashlib.sha256(stored.path.read_bytes()).hexdigest() == stored.path.name
    assert "predictions equal on" in stored.log


def test_the_file_carries_its_signature(built: Built) -> None:
    table = customers()
    stored, _ = built(churn_pipeline(LogisticRegression()).fit(table, churn(table)), table)
    properties = onnx.load(stored.path).metadata_props
    assert [each.key for each in properties] == [METADATA_KEY]
    assert json.loads(properties[0].value) == stored.signature | {"inputs": json.loads(json.dumps(stored.signature["inputs"]))}
    signature = Signature.from_dict(stored.signature)
    assert signature.kind == "columns"
    assert signature.layout == "per_column"
    assert [(each.name, each.type, each.required) for each in signature.inputs] == [
        ("customerID", "string", True),
        ("tenure", "long", True),
        ("Monthly Charges", "double", True),
        ("plan", "string", True),
        ("senior", "boolean", True),
    ]
    assert (signature.output.type, signature.output.form) == ("string", "scalar")
    assert signature.estimator == "Pipeline(LogisticRegression)"
    assert signature.is_declared


@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(60, random_state=1),
        RandomForestClassifier(60, max_depth=4, random_state=1),
        GradientBoostingClassifier(n_estimators=30, random_state=1),
        HistGradientBoostingClassifier(max_iter=30, random_state=1),
        RidgeClassifier(),
        KNeighborsClassifier(7),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_labels_are_equal_on_rows_the_build_never_saw(built: Built, classifier: Any, classes: int) -> None:
    """4,000 rows, many of them with even votes: one wrong label fails."""
    table = numbers()
    target = np.digitize(table["f0"] + table["f1"] * table["f2"], [0.0] if classes == 2 else [-2.0, 2.0])
    model = classifier.fit(table, np.array(["low", "middle", "high"])[target])
    _, runtime = built(model, table)
    fresh = numbers(rows=4000, seed=77)
    assert runtime.signature.layout == "matrix"
    assert runtime.predict(arrays(runtime.signature, fresh)) == model.predict(fresh).tolist()


@pytest.mark.parametrize(
    "regressor",
    [
        LinearRegression(),
        RandomForestRegressor(30, random_state=1),
        HistGradientBoostingRegressor(max_iter=30, random_state=1),
        KNeighborsRegressor(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_numbers_agree_to_the_last_digits(built: Built, regressor: Any) -> None:
    table = numbers()
    model = regressor.fit(table, table["f0"] * 3 - table["f1"] ** 2)
    _, runtime = built(model, table)
    fresh = numbers(rows=1000, seed=78)
    np.testing.assert_allclose(runtime.predict(arrays(runtime.signature, fresh)), model.predict(fresh), rtol=1e-10, atol=1e-10)
    assert runtime.signature.output.type == "double"


def test_several_targets_come_back_as_lists(built: Built) -> None:
    table = numbers()
    model = LinearRegression().fit(table, np.column_stack([table["f0"], table["f1"] * 2]))
    _, runtime = built(model, table)
    values = runtime.predict(arrays(runtime.signature, table[:2]))
    assert runtime.signature.output.form == "vector"
    np.testing.assert_allclose(values, model.predict(table[:2]), rtol=1e-10)


@pytest.mark.parametrize(
    ("target", "kind"),
    [([0, 1, 1], "long"), ([False, True, True], "boolean"), ([0.0, 1.0, 1.0], "double"), (["No", "Yes", "Yes"], "string")],
)
def test_labels_keep_their_type(built: Built, target: list[Any], kind: str) -> None:
    table = numbers(rows=30)
    labels = np.array(target)[(table["f0"] > 0).astype(int)]
    model = LogisticRegression().fit(table, labels)
    _, runtime = built(model, table)
    values = runtime.predict(arrays(runtime.signature, table[:10]))
    assert runtime.signature.output.type == kind
    assert values == model.predict(table[:10]).tolist()
    assert {type(value) for value in values} == {type(target[0])}


@pytest.mark.parametrize("labels", [[[False, True], [True, False]], [["No", "hi"], ["Yes", "lo"]]])
def test_several_labels_keep_their_type(built: Built, labels: list[list[Any]]) -> None:
    """Booleans came back as 0 and 1: equal, and still another JSON."""
    table = numbers(rows=40)
    target = np.array(labels)[(table["f0"] > 0).astype(int)]
    model = MultiOutputClassifier(LogisticRegression()).fit(table, target)
    _, runtime = built(model, table)
    wanted = model.predict(table[:10]).tolist()
    assert json.dumps(runtime.predict(arrays(runtime.signature, table[:10]))) == json.dumps(wanted)


def test_gaps_are_filled_as_in_the_original(built: Built) -> None:
    table = customers()
    table.loc[::4, "Monthly Charges"] = np.nan
    table.loc[::5, "plan"] = np.nan
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("n", SimpleImputer(), ["tenure", "Monthly Charges"]), ("t", texts, ["plan"])])
    model = make_pipeline(columns, RandomForestClassifier(20, random_state=1)).fit(table, churn(table))
    _, runtime = built(model, table)
    assert runtime.predict(arrays(runtime.signature, table)) == model.predict(table).tolist()


def test_a_missing_text_can_be_a_category(built: Built) -> None:
    table = customers()
    table.loc[::5, "plan"] = np.nan
    columns = ColumnTransformer([("t", OneHotEncoder(), ["plan"]), ("n", "passthrough", ["tenure"])])
    model = make_pipeline(columns, LogisticRegression()).fit(table, churn(table))
    _, runtime = built(model, table)
    assert runtime.predict(arrays(runtime.signature, table)) == model.predict(table).tolist()


def test_boosting_sees_gaps_as_the_original_does(built: Built) -> None:
    table = numbers()
    table.iloc[::3, 1] = np.nan
    model = HistGradientBoostingClassifier(max_iter=20).fit(table, np.where(table["f0"] > 0, "up", "down"))
    _, runtime = built(model, table)
    assert runtime.predict(arrays(runtime.signature, table)) == model.predict(table).tolist()


def test_encoded_categories_keep_their_numbers(built: Built) -> None:
    table = customers()
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("t", encoder, ["plan"])], remainder="passthrough")
    kept = table.drop(columns="customerID")
    model = make_pipeline(columns, RandomForestClassifier(20, random_state=1)).fit(kept, churn(table))
    _, runtime = built(model, kept)
    assert runtime.predict(arrays(runtime.signature, kept)) == model.predict(kept).tolist()


def test_an_array_makes_a_tensor(built: Built) -> None:
    rows = numbers().to_numpy()
    model = LinearRegression().fit(rows, rows[:, 0])
    _, runtime = built(model, rows)
    signature = runtime.signature
    assert (signature.kind, signature.layout, signature.inputs[0].shape) == ("tensor", "tensors", (-1, 6))
    np.testing.assert_allclose(runtime.predict(arrays(signature, rows[:5])), model.predict(rows[:5]), atol=1e-12)


def test_without_a_signature_the_fitted_columns_count(built: Built) -> None:
    table = customers()
    model = churn_pipeline(LogisticRegression()).fit(table, churn(table))
    _, runtime = built(model)
    assert [(each.name, each.type) for each in runtime.signature.inputs] == [
        ("customerID", "double"),
        ("tenure", "double"),
        ("Monthly Charges", "double"),
        ("plan", "string"),
        ("senior", "double"),
    ]
    assert not runtime.signature.is_declared


def test_without_names_their_number_counts(built: Built) -> None:
    rows = numbers().to_numpy()
    _, runtime = built(LinearRegression().fit(rows, rows[:, 0]))
    assert runtime.signature.inputs[0].shape == (-1, 6)


def test_probabilities_when_they_were_asked_for(built: Built) -> None:
    table = numbers()
    model = LogisticRegression().fit(table, np.where(table["f0"] > 0, "Yes", "No"))
    _, runtime = built(model, table, pyfunc_predict_fn="predict_proba")
    values = runtime.predict(arrays(runtime.signature, table[:20]))
    assert runtime.signature.output.form == "vector"
    np.testing.assert_allclose(values, model.predict_proba(table[:20]), rtol=1e-6, atol=1e-12)


def test_a_model_without_an_onnx_form_is_served_as_it_is(log_model: LogModel, tmp_path: Path) -> None:
    table = numbers(rows=40)
    target = np.digitize(table["f0"], [-1.0, 1.0])
    model = GaussianProcessClassifier().fit(table, target)
    built = build_model(log_model(model, table, pip_requirements=["scikit-learn"]), into=tmp_path / "store")
    assert built.runtime == "pyfunc"
    assert "GaussianProcessClassifier cannot be converted to ONNX by skl2onnx 1.20.0: " in built.log
    assert "Loaded model.pkl" in built.log
    assert "Answered its input example" in built.log


def test_texts_that_are_taken_apart_are_read_by_the_original(log_model: LogModel, tmp_path: Path) -> None:
    """ONNX has no operator of its own that splits texts as scikit-learn does."""
    table = customers(rows=60)[["plan", "tenure"]]
    columns = ColumnTransformer([("words", TfidfVectorizer(), "plan"), ("numbers", "passthrough", ["tenure"])])
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(table, churn(table))
    built = build_model(log_model(model, table, pip_requirements=["scikit-learn"]), into=tmp_path / "store")
    assert built.runtime == "pyfunc"
    assert "as ONNX:" in built.log or "cannot be converted" in built.log or "does not predict the same" in built.log


@pytest.mark.parametrize(
    "encoder", [OneHotEncoder(), OrdinalEncoder(), OneHotEncoder(handle_unknown="ignore")], ids=["one-hot", "ordinal", "ignore"]
)
def test_what_the_original_raises_on_is_known(built: Built, encoder: Any) -> None:
    table = customers()
    columns = ColumnTransformer([("texts", encoder, ["plan"]), ("numbers", "passthrough", ["tenure", "Monthly Charges"])])
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(table, churn(table))
    stored, runtime = built(model, table)
    assert stored.runtime == "onnx"
    plan, charges = runtime.signature.inputs[3], runtime.signature.inputs[2]
    if encoder.handle_unknown == "error":
        assert plan.known == ("basic", "plus", "pro")
        assert "Found unknown categories {values}" in plan.refuses["unknown"]
    else:
        assert (plan.known, plan.refuses.get("unknown")) == ((), None)
    assert "Input X contains NaN" in charges.refuses["missing"]
    assert "0 sample(s)" in runtime.signature.refuses["no_rows"]
    assert "infinity" in runtime.signature.refuses["infinite"]


def test_a_model_that_fails_on_its_own_signature_is_told_so(log_model: LogModel, tmp_path: Path) -> None:
    table = numbers(rows=40)
    model = LinearRegression().fit(table, table["f0"])
    wrong = table.rename(columns={"f0": "other"})
    from mlflow.models import infer_signature

    directory = log_model(model, None, signature=infer_signature(wrong, [1.0]), pip_requirements=["scikit-learn"])
    built = build_model(directory, into=tmp_path / "store")
    assert "LinearRegression.predict fails on rows that fit its signature" in built.log
    assert built.runtime == "pyfunc"


def test_a_warm_process_builds_the_same_as_a_fresh_one(log_model: LogModel, tmp_path: Path, settings: Any) -> None:
    table = numbers(rows=40)
    model = log_model(LinearRegression().fit(table, table["f0"]), table)
    warm = build_model(model, into=tmp_path / "store")
    settings.RUN_DIR = tmp_path / "nobody"
    fresh = build_model(model, into=tmp_path / "store")
    assert (warm.signature, warm.outputs) == (fresh.signature, fresh.outputs)
    assert (
        warm.log.splitlines()[:-3] == fresh.log.splitlines()[:-3]
    )  # then come times and the SHA-256, which names in the file change
    rows = [table.to_numpy()[:5]]
    assert OnnxRuntime(warm.path.read_bytes()).predict(rows) == OnnxRuntime(fresh.path.read_bytes()).predict(rows)


def test_a_network_is_served_as_it_is_where_torch_is_installed(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed in the builder")
    import mlflow.pytorch
    from mlflow.models import infer_signature

    rows = numbers(rows=5, columns=3).to_numpy(np.float32)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    signature = infer_signature(rows, network(torch.tensor(rows)).detach().numpy())
    mlflow.pytorch.save_model(network, str(tmp_path / "model"), signature=signature, input_example=rows)
    built = build_model(tmp_path / "model", into=tmp_path / "store")
    assert built.runtime == "pyfunc"
    assert "Answered its input example" in built.log
