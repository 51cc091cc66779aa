"""ONNX files that a learner might send: harmless ones, bombs, and files that reach for other files."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sandbox.builds.signature import METADATA_KEY, InputField, Output, Signature

FLOATS = TensorProto.FLOAT


def signed(model: ModelProto, inputs: tuple[InputField, ...]) -> bytes:
    """The file as it leaves the first job: with a signature."""
    signature = Signature("tensor", "tensors", inputs, Output("Y", "double"))
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, signature.to_json()
    return bytes(model.SerializeToString())


def constant(name: str, value: Any) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def model(
    nodes: list[Any],
    inputs: tuple[tuple[str, int, list[Any]], ...] = (),
    initializers: tuple[Any, ...] = (),
    shape: Any = (None,),
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info("Y", FLOATS, shape)],
        list(initializers),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


FLOAT_INPUT = (("X", FLOATS, [None, 1]),)
ONE_COLUMN = (InputField("X", "float32", True, "float32", (-1, 1)),)


def harmless() -> ModelProto:
    """Y = 2 X."""
    return model([helper.make_node("Mul", ["X", "two"], ["Y"])], FLOAT_INPUT, (constant("two", np.float32(2)),), (None, 1))


def endless_loop() -> ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["a", "one"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info(*each)
            for each in (("i", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("a", FLOATS, [1]))
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), helper.make_tensor_value_info("b", FLOATS, [1])],
        [constant("one", np.ones(1, np.float32))],
    )
    start = (constant("M", np.int64(1 << 62)), constant("C", True), constant("A", np.zeros(1, np.float32)))
    return model([helper.make_node("Loop", ["M", "C", "A"], ["Y"], body=body)], FLOAT_INPUT, start)


def loop_in_a_branch() -> ModelProto:
    inner = endless_loop().graph
    del inner.input[:]
    return model(
        [helper.make_node("If", ["C"], ["Y"], then_branch=inner, else_branch=inner)], FLOAT_INPUT, (constant("C", True),)
    )


def foreign_operator() -> ModelProto:
    made = model([helper.make_node("Evil", ["X"], ["Y"], domain="com.evil")], FLOAT_INPUT)
    made.opset_import.append(helper.make_opsetid("com.evil", 1))
    return made


def own_function() -> ModelProto:
    made = harmless()
    made.functions.append(
        helper.make_function(
            "ai.onnx", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
        )
    )
    return made


def deep_branches() -> ModelProto:
    leaf = helper.make_node("Constant", [], ["o"], value=constant("v", np.ones(1, np.float32)))
    graph = helper.make_graph([leaf], "leaf", [], [helper.make_tensor_value_info("o", FLOATS, [1])])
    for depth in range(6):
        node = helper.make_node("If", ["C"], ["o"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], f"level{depth}", [], [helper.make_tensor_value_info("o", FLOATS, [1])])
    return model(
        [helper.make_node("If", ["C"], ["Y"], then_branch=graph, else_branch=graph)], FLOAT_INPUT, (constant("C", True),)
    )


def many_nodes() -> ModelProto:
    names = ["X", *(f"t{i}" for i in range(5_100)), "Y"]
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in pairwise(names)]
    return model(nodes, FLOAT_INPUT, (), (None, 1))


def many_numbers() -> ModelProto:
    """All in one list attribute, which no tensor's shape gives away."""
    node = helper.make_node("Constant", [], ["Y"])
    attribute = node.attribute.add()
    attribute.name, attribute.type = "value_ints", 7
    attribute.ints.extend([1] * 20_000_001)
    return model([node], FLOAT_INPUT)


def external_tensor(location: str) -> TensorProto:
    tensor = TensorProto(name="W", data_type=FLOATS, dims=[4], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def external_constant(location: str = "etc/passwd") -> ModelProto:
    """ONNX Runtime looks for the file from the working directory of its process."""
    return model([helper.make_node("Identity", ["W"], ["Y"])], FLOAT_INPUT, (external_tensor(location),))


def external_attribute() -> ModelProto:
    nodes = [
        helper.make_node("Constant", [], ["W"], value=external_tensor("/etc/passwd")),
        helper.make_node("Identity", ["W"], ["Y"]),
    ]
    return model(nodes, FLOAT_INPUT)


def hidden_external_attribute() -> ModelProto:
    """Two levels down, in a branch."""
    nodes = [helper.make_node("Constant", [], ["o"], value=external_tensor("/etc/passwd"))]
    branch = helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("o", FLOATS, [4])])
    return model(
        [helper.make_node("If", ["C"], ["Y"], then_branch=branch, else_branch=branch)], FLOAT_INPUT, (constant("C", True),)
    )


REFUSED: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "endless loop": (endless_loop, "(Loop) repeats a graph"),
    "loop in a branch": (loop_in_a_branch, "(Loop) repeats a graph"),
    "foreign operator": (foreign_operator, "domain 'com.evil'"),
    "own function": (own_function, "functions of its own (Twice)"),
    "deep branches": (deep_branches, "nests graphs more than 4 deep"),
    "many nodes": (many_nodes, "more than 5000 operators"),
    "many numbers": (many_numbers, "more than 20000000 constants"),
    "external constant": (external_constant, "keeps the data of the constant 'W' in another file"),
    "external attribute": (external_attribute, "in another file"),
    "hidden external attribute": (hidden_external_attribute, "in another file"),
}
"""How a file is made, and a part of the sentence that refuses it."""


def doubling_bomb() -> ModelProto:
    """Five kilobytes that become 2^40 numbers when run."""
    nodes = [helper.make_node("Identity", ["X"], ["t0"])]
    nodes += [helper.make_node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}" if i < 39 else "Y"], axis=0) for i in range(40)]
    return model(nodes, FLOAT_INPUT, (), (None, 1))


def folding_bomb() -> ModelProto:
    """The same from a constant, so that it goes off while the model is loaded."""
    names = ["K", *(f"t{i}" for i in range(35)), "Y"]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    return model(nodes, FLOAT_INPUT, (constant("K", np.ones(1, np.float32)),))


def shape_bomb() -> ModelProto:
    """A quarter of a terabyte of zeros."""
    node = helper.make_node("ConstantOfShape", ["S"], ["Y"])
    return model([node], FLOAT_INPUT, (constant("S", np.array([1 << 18, 1 << 18], np.int64)),), (None, None))


def slow_products() -> ModelProto:
    """Two hundred products of large matrices, each too long to be interrupted."""
    nodes = [helper.make_node("ConstantOfShape", ["S"], ["A"])]
    nodes += [
        helper.make_node("MatMul", ["A" if i == 0 else f"t{i}", "A"], [f"t{i + 1}" if i < 199 else "Y"]) for i in range(200)
    ]
    return model(nodes, (("S", TensorProto.INT64, [2]),), (), (None, None))


BOMBS: dict[str, Callable[[], ModelProto]] = {
    "doubling": doubling_bomb,
    "folding": folding_bomb,
    "shape": shape_bomb,
}
"""Valid files that need more than any machine has."""
