"""Models that were logged as ONNX are taken over as they are, with MLflow's way of feeding and answering them."""

from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from onnx import ModelProto, TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from sandbox.builds.operations import BuildFailed, build_model
from sandbox.replicas.runtimes.onnx import OnnxRuntime
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
    assert runtime.predict(arrays(runtime.signature, table)) == [{"y": 8.0}, {"y": 12.0}]


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
