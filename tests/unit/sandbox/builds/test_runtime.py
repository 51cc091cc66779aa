"""The runtime that replicas hold: right values, one thread, and little of its own on top of ONNX Runtime."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from sandbox.builds.signature import METADATA_KEY, InputField, Output, Signature
from sandbox.replicas.runtimes.onnx import OnnxRuntime, load


def sums(width: int, *, output: Output | None = None) -> bytes:
    """A model that adds the columns up."""
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("ReduceSum", ["input", "axes"], ["sum"], keepdims=1)],
            "sums",
            [helper.make_tensor_value_info("input", TensorProto.DOUBLE, [None, width])],
            [helper.make_tensor_value_info("sum", TensorProto.DOUBLE, [None, 1])],
            [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    inputs = tuple(InputField(f"f{position}", "double") for position in range(width))
    signature = Signature("columns", "matrix", inputs, output or Output("sum", "double"), "float64")
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, signature.to_json()
    return bytes(model.SerializeToString())


def test_it_works() -> None:
    runtime = load(sums(3))
    assert runtime.predict([np.array([[1.0, 2.0, 3.0], [0.5, 0.25, 0.0]])]) == [6.0, 0.75]
    assert runtime.describe()["signature"] == runtime.signature.to_dict()
    assert runtime.describe()["provider"] == "CPUExecutionProvider"


def test_a_file_without_a_signature_is_refused() -> None:
    model = sums(1).replace(METADATA_KEY.encode(), b"xx_signature")
    with pytest.raises(ValueError, match="carries no pg_signature"):
        OnnxRuntime(model)


def test_a_wrong_number_of_arrays_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        load(sums(2)).predict([np.ones((1, 2)), np.ones((1, 2))])


def test_a_wrong_shape_is_the_models_own_error() -> None:
    with pytest.raises(Exception, match="Got invalid dimensions"):
        load(sums(2)).predict([np.ones((1, 3))])


def calls_in(act: Callable[[], object]) -> int:
    """How many functions are called meanwhile, those of C included."""
    events: list[str] = []
    sys.setprofile(lambda _frame, event, _argument: events.append(event))
    try:
        act()
    finally:
        sys.setprofile(None)
    return events.count("call") + events.count("c_call")


def test_one_row_costs_little_more_than_the_session_itself() -> None:
    """Counted in calls of functions, which no busy machine changes."""
    runtime = load(sums(20))
    row = np.ones((1, 20))
    bare = calls_in(lambda: runtime._session.run(runtime.output_names, {"input": row}))
    assert calls_in(lambda: runtime.predict([row])) - bare < 12


def test_importing_it_starts_no_reporting_thread() -> None:
    """ONNX Runtime's released builds report use to their maker unless they are told not to before the import."""
    program = (
        "import os, sys; from sandbox.replicas.runtimes import onnx\n"
        "onnx.load(sys.stdin.buffer.read()); print(len(os.listdir('/proc/self/task')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=sums(1),
        capture_output=True,
        env=environment | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[4],
        check=True,
    )
    assert int(done.stdout) == 1


def test_without_a_device_a_gpu_runtime_computes_on_the_cpu_and_says_so() -> None:
    """On a machine with a CUDA device it may run there; the values are the same and the device is named."""
    runtime = load(sums(3), "cuda:0")
    assert runtime.predict([np.array([[1.0, 2.0, 3.0], [0.5, 0.25, 0.0]])]) == [6.0, 0.75]
    described = runtime.describe()
    assert described["device"] == ("cuda:0" if described["provider"] == "CUDAExecutionProvider" else "cpu")


def test_bound_arrays_give_what_plain_ones_give() -> None:
    """What a device does with a message's arrays, on the device that every machine has."""
    runtime = load(sums(3))
    feed = {"input": np.array([[1.0, 2.0, 3.0], [0.5, 0.25, 0.0]])}
    assert [array.tolist() for array in runtime._run_bound(feed)] == [array.tolist() for array in runtime._run_plain(feed)]
