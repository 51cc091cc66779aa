"""Graph pieces that end a classifier: from scores to labels and probabilities. Runs in the jail."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ML_DOMAIN = "ai.onnx.ml"


def tensor(values: Any, dtype: Any = np.float64) -> Any:
    """The values as an ONNX tensor."""
    return numpy_helper.from_array(np.ascontiguousarray(values, dtype=dtype), "")


def numbers(values: Any) -> Any:
    """The inverse of `tensor`."""
    return numpy_helper.to_array(values)


def constant(scope: Any, container: Any, values: Any) -> str:
    """Add a constant of doubles, integers or strings to the graph; returns its name."""
    name = str(scope.get_unique_variable_name("constant"))
    array = np.asarray(values)
    if array.dtype.kind in "OUS":
        content = helper.make_tensor("", TensorProto.STRING, array.shape, [str(each).encode() for each in array.ravel()])
    else:
        content = tensor(array, np.int64 if array.dtype.kind in "iub" else np.float64)
    container.add_node("Constant", [], name, op_version=13, name=scope.get_unique_operator_name("Constant"), value=content)
    return name


def node(scope: Any, container: Any, kind: str, inputs: list[str], version: int = 13, output: str = "", **attributes: Any) -> str:
    """Add a node of the default domain; returns the name of its output."""
    name = output or str(scope.get_unique_variable_name(kind.lower()))
    container.add_node(kind, inputs, name, op_version=version, name=scope.get_unique_operator_name(kind), **attributes)
    return name


def as_double(scope: Any, container: Any, name: str) -> str:
    return node(scope, container, "Cast", [name], to=TensorProto.DOUBLE)


def rounded_to_float(scope: Any, container: Any, name: str) -> str:
    """Doubles with the precision of floats: scikit-learn's trees look at their input so."""
    return as_double(scope, container, node(scope, container, "Cast", [name], to=TensorProto.FLOAT))


def finish_scores(scope: Any, operator: Any, container: Any, scores: str, position: int) -> None:
    """Hand the doubles in `scores` over as the operator's output, in the type it was declared with."""
    is_double = type(operator.outputs[position].type).__name__ == "DoubleTensorType"
    to = TensorProto.DOUBLE if is_double else TensorProto.FLOAT
    node(scope, container, "Cast", [scores], output=operator.outputs[position].full_name, to=to)


def finish_labels(scope: Any, operator: Any, container: Any, indices: str, classes: Any) -> None:
    """Hand the classes at `indices` (shape [N], int64) over as the operator's first output.

    Classes 0.0 and 1.0 are written as integers, as skl2onnx declares them; the signature makes them floats again.
    """
    known = np.asarray(classes)
    table = constant(scope, container, known.astype(np.int64) if known.dtype.kind == "f" else known)
    node(scope, container, "Gather", [table, indices], output=operator.outputs[0].full_name, axis=0)


def label_indices(scope: Any, container: Any, raw: str, n_classes: int, *, tie_is_second: bool) -> str:
    """The index of the winning class for decision values `raw` ([N, 1] with two classes, else [N, classes]).

    `tie_is_second`: with two classes, a value of exactly 0 means the second one.
    """
    if n_classes > 2:
        return node(scope, container, "ArgMax", [raw], axis=1, keepdims=0)
    zero = constant(scope, container, 0.0)
    is_second = node(
        scope, container, "GreaterOrEqual" if tie_is_second else "Greater", [raw, zero], version=12 if tie_is_second else 13
    )
    whole = node(scope, container, "Cast", [is_second], to=TensorProto.INT64)
    return node(scope, container, "Reshape", [whole, constant(scope, container, [-1])])


def probabilities(scope: Any, container: Any, raw: str, n_classes: int, scale: float = 1.0) -> str:
    """Probabilities for decision values `raw`: softmax, or the logistic function of `scale` * raw with two classes."""
    if n_classes > 2:
        return node(scope, container, "Softmax", [raw], axis=1)
    scaled = node(scope, container, "Mul", [raw, constant(scope, container, scale)])
    second = node(scope, container, "Sigmoid", [scaled])
    first = node(scope, container, "Sub", [constant(scope, container, 1.0), second])
    return node(scope, container, "Concat", [first, second], axis=1)
