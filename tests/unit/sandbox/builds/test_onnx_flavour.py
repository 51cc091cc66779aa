"""Models that were logged as ONNX are taken over as they are, with MLflow's way of feeding and answering them."""

import json
from pathlib import Path
from typing import Any

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from onnx import ModelProto, TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from sandbox.builds.operations import BuildFailed, build_model
from sandbox.replicas.frames import decode_arrays
from sandbox.replicas.requests import Pending
from sandbox.replicas.runtimes.onnx import OnnxRuntime
from sandbox.replicas.scoring.answer import answer
from sandbox.replicas.tabular import TabularTask
from tests.unit.sandbox.builds.data import arrays, numbers


def doubled(width: int = 1, inputs: tuple[str, ...] = ("a",)) -> ModelProto:
    """y = 2 (a + b + …), for one matrix or for one column each."""
    total = inputs[0]
    nodes = []
    for name in inputs[1:]:
        nodes.append(helper.make_node("Add", [total, name], [f"sum_{name}"]))
        total = f"sum_{name}"
    nodes.append(helper.make_node("Add", [total, total], ["y"]))
    return helper.make_model(
        helper.make_graph(
            nodes,
            "doubled",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]) for name in inputs],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, width])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def build(model: ModelProto, rows: Any, tmp_path: Path, **options: Any) -> OnnxRuntime:
    if rows is not None:
        options["signature"] = infer_signature(rows)
    options.setdefault("pip_requirements", ["onnx", "onnxruntime"])  # to infer them takes MLflow seconds
    mlflow.onnx.save_model(model, str(tmp_path / "model"), **options)
    return OnnxRuntime(build_model(tmp_path / "model", into=tmp_path / "store").path.read_bytes())


def test_a_matrix_takes_the_columns_in_their_order(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    runtime = build(doubled(width=2), table, tmp_path)
    assert (runtime.signature.layout, runtime.signature.dtype) == ("matrix", "float32")
    assert runtime.predict(arrays(runtime.signature, table)) == [{"y": [2.0, 6.0]}, {"y": [4.0, 8.0]}]


def test_several_inputs_take_a_column_each(tmp_path: Path) -> None:
    table = pd.DataFrame({"b": [3.0, 4.0], "a": [1.0, 2.0]})
    runtime = build(doubled(inputs=("a", "b")), table, tmp_path)
    assert runtime.signature.layout == "per_column"
    assert runtime.signature.names == runtime.input_names == ["a", "b"]
    assert runtime.predict(arrays(runtime.signature, table)) == [{"y": [8.0]}, {"y": [12.0]}]


def answered(runtime: OnnxRuntime, body: Any) -> tuple[int, Any]:
    status, text = answer(runtime, json.dumps(body).encode(), "application/json")
    return status, json.loads(text)


def plain(runtime: OnnxRuntime, body: Any) -> Any:
    """The answer on the plain way."""
    task = TabularTask(json.loads(json.dumps(runtime.describe())))
    request = Pending("id", json.dumps(body), "w1", "t", "ann", 0.0, 0.0)
    batch = task.batch([request])
    assert not batch.is_raw
    [(found, rows)] = batch.split(runtime.predict(decode_arrays(b"".join(batch.parts))))
    return json.loads(task.answer(found, rows).body)["predictions"]


def mlflow_says(tmp_path: Path, rows: Any) -> Any:
    """What MLflow's scoring server would write."""
    said = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(rows)
    if isinstance(said, pd.DataFrame):
        return said.to_dict(orient="records")
    return {name: values.tolist() for name, values in said.items()}


def test_a_table_is_answered_value_by_value(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0, 2.5], "b": [3.0, 4.0]})
    runtime = build(doubled(width=2), table, tmp_path)
    body = {"dataframe_records": table.to_dict(orient="records")}
    wanted = mlflow_says(tmp_path, table)
    assert wanted == [{"y": 2.0}, {"y": 6.0}, {"y": 5.0}, {"y": 8.0}]
    assert answered(runtime, body) == (200, {"predictions": wanted})
    assert plain(runtime, body) == wanted


def test_tensors_are_answered_whole(tmp_path: Path) -> None:
    rows = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    runtime = build(doubled(width=3), rows, tmp_path)
    wanted = mlflow_says(tmp_path, rows)
    assert answered(runtime, {"inputs": rows.tolist()}) == (200, {"predictions": wanted})
    assert plain(runtime, {"instances": rows.tolist()}) == wanted == {"y": (rows * 2).tolist()}


def test_named_tensors(tmp_path: Path) -> None:
    rows = {"a": np.array([[1.0], [2.0]], np.float32), "b": np.array([[3.0], [4.0]], np.float32)}
    runtime = build(doubled(inputs=("a", "b")), rows, tmp_path)
    body = {"inputs": {name: values.tolist() for name, values in rows.items()}}
    wanted = mlflow_says(tmp_path, rows)
    assert answered(runtime, body) == (200, {"predictions": wanted})
    assert plain(runtime, body) == wanted


@pytest.mark.parametrize("case", ["columns of rank 2", "whole numbers for floats", "outputs of different lengths"])
def test_what_mlflow_cannot_answer_is_said_at_build_time(case: str, tmp_path: Path) -> None:
    """`mlflow.onnx` casts doubles to floats and nothing else, hands columns over flat, and needs outputs of one length."""
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    model = doubled(inputs=("a", "b"))
    if case == "whole numbers for floats":
        table, model = table.astype("int64"), doubled(width=2)
    elif case == "outputs of different lengths":
        table = numbers(rows=60)
        classifier = LogisticRegression().fit(table, np.where(table["f0"] > 0, "Yes", "No"))
        model = to_onnx(classifier, table[:1].to_numpy(np.float32), options={"zipmap": False})
    runtime = build(model, table, tmp_path)
    with pytest.raises(Exception, match=r"INVALID_ARGUMENT|same length"):
        mlflow_says(tmp_path, table)
    status, body = answered(runtime, {"dataframe_split": table.head(2).to_dict(orient="split")})
    assert (status, body["error_code"]) == (400, "BAD_REQUEST")
    assert "INVALID_ARGUMENT" in body["stack_trace"] or "same length" in body["stack_trace"]


def test_without_a_signature_the_tensors_of_the_file_count(tmp_path: Path) -> None:
    runtime = build(doubled(width=3), None, tmp_path)
    signature = runtime.signature
    assert (signature.kind, signature.inputs[0].shape, signature.is_declared) == ("tensor", (-1, 3), False)
    assert runtime.predict([np.ones((1, 3), np.float32)]) == [{"y": [2.0, 2.0, 2.0]}]


def test_a_classifier_answers_with_each_output(tmp_path: Path) -> None:
    table = numbers(rows=60)
    model = LogisticRegression().fit(table, np.where(table["f0"] > 0, "Yes", "No"))
    converted = to_onnx(model, table[:1].to_numpy(np.float32), options={"zipmap": False})
    runtime = build(converted, table, tmp_path)
    values = runtime.predict(arrays(runtime.signature, table[:3]))
    assert [value["label"] for value in values] == model.predict(table[:3]).tolist()
    np.testing.assert_allclose([value["probabilities"] for value in values], model.predict_proba(table[:3]), atol=1e-5)


def test_dictionaries_as_output_are_refused_with_what_to_do(tmp_path: Path) -> None:
    table = numbers(rows=60)
    model = LogisticRegression().fit(table, np.where(table["f0"] > 0, "Yes", "No"))
    with pytest.raises(BuildFailed, match=r"options=\{'zipmap': False\}"):
        build(to_onnx(model, table[:1].to_numpy(np.float32)), table, tmp_path)


def test_a_signature_that_names_other_columns_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"c": [3.0], "d": [1.0]})
    with pytest.raises(BuildFailed, match=r"columns \(c, d\) are not the ONNX model's inputs \(a, b\)"):
        build(doubled(inputs=("a", "b")), table, tmp_path)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = doubled()
    weights = TensorProto(name="a", data_type=TensorProto.FLOAT, dims=[1, 1], data_location=TensorProto.EXTERNAL)
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    model.graph.initializer.append(weights)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "model" / "MLmodel").write_text("flavors: {onnx: {data: model.onnx}}")
    with pytest.raises(BuildFailed, match="save_as_external_data=False"):
        build_model(tmp_path / "model", into=tmp_path / "store")
