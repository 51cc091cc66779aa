"""Model files as a build writes them, made by hand: what no well-behaved estimator does."""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sandbox.builds.signature import METADATA_KEY

KILLS, RAISES, HANGS = 666.0, 13.0, 99.0
"""Values that the hostile model does harm on."""
DAY_NS = 86_400 * 10**9
_FOR_EVER = 10**15


def hostile() -> bytes:
    """Doubles its one column.

    On KILLS it divides the smallest whole number by -1, for which the processor ends the process; on RAISES it reads beyond the
    end of a list; on HANGS it loops.
    """
    signature = {
        "inputs": [{"name": "x", "type": "double", "required": True}],
        "kind": "columns",
        "layout": "matrix",
        "dtype": "float64",
        "output": {"name": "p", "type": "double"},
    }
    constants = {
        "two": np.array(2.0),
        "kills": np.array(KILLS),
        "raises": np.array(RAISES),
        "hangs": np.array(HANGS),
        "smallest": np.array(-(2**63), dtype=np.int64),
        "minus_one": np.array(-1, dtype=np.int64),
        "far": np.array(1000, dtype=np.int64),
        "zeros": np.zeros(1),
        "for_ever": np.array(_FOR_EVER, dtype=np.int64),
        "true": np.array(True),
        "zero": np.array(0.0),
    }
    nodes = [
        helper.make_node("Equal", ["x", "kills"], ["is_killing"]),
        helper.make_node("Cast", ["is_killing"], ["zero_or_one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["zero_or_one", "smallest"], ["dividend"]),
        helper.make_node("Div", ["dividend", "minus_one"], ["quotient"]),
        helper.make_node("Cast", ["quotient"], ["killing"], to=TensorProto.DOUBLE),
        helper.make_node("Equal", ["x", "raises"], ["is_raising"]),
        helper.make_node("Cast", ["is_raising"], ["raising"], to=TensorProto.INT64),
        helper.make_node("Mul", ["raising", "far"], ["index"]),
        helper.make_node("Gather", ["zeros", "index"], ["read"]),
        helper.make_node("Equal", ["x", "hangs"], ["is_hanging"]),
        helper.make_node("Cast", ["is_hanging"], ["hanging"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["hanging"], ["any_hanging"], keepdims=0),
        helper.make_node("Mul", ["any_hanging", "for_ever"], ["rounds"]),
        helper.make_node("Loop", ["rounds", "true", "zero"], ["looped"], body=_round()),
        helper.make_node("Mul", ["killing", "zero"], ["nothing"]),
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Sum", ["doubled", "nothing", "read", "looped"], ["p"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 1])]
    return _stored(nodes, inputs, constants, signature)


def adding() -> bytes:
    """Answers with the whole number `a` plus the days from 1970 to `when`."""
    signature = {
        "inputs": [
            {"name": "a", "type": "long", "required": True},
            {"name": "when", "type": "datetime", "required": True},
        ],
        "kind": "columns",
        "layout": "per_column",
        "output": {"name": "p", "type": "double"},
    }
    nodes = [
        helper.make_node("Div", ["when", "day"], ["days"]),
        helper.make_node("Add", ["a", "days"], ["p"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in ("a", "when")]
    return _stored(nodes, inputs, {"day": np.array(float(DAY_NS))}, signature)


def _round() -> Any:
    """One round of the loop: goes on, and hands on what it was given."""
    return helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["goes_on"]), helper.make_node("Identity", ["given"], ["handed_on"])],
        "round",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("given", TensorProto.DOUBLE, []),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("handed_on", TensorProto.DOUBLE, []),
        ],
    )


def _stored(nodes: list[Any], inputs: list[Any], constants: dict[str, Any], signature: dict[str, Any]) -> bytes:
    output = helper.make_tensor_value_info("p", TensorProto.DOUBLE, [None, 1])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "model", inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(signature)})
    return bytes(model.SerializeToString())
