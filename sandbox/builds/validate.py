"""What an ONNX file may contain: one file, well-known operators, limited sizes. Runs in the jail.

Passing says nothing about how much memory or time the model takes (a 40-node graph can double a tensor 40 times); for that it
is run once by `sandbox.builds.trial`.
"""

from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto

from sandbox.builds.forest_arrays import MAX_TEXT
from sandbox.jail.errors import JobProblem

MOST_BYTES = 64 * 1024 * 1024
MOST_NODES = 5_000
MOST_ELEMENTS = 20_000_000
"""Of all constants together, lists in attributes (tree ensembles) included."""
DEEPEST = 4
LONGEST_NAME = 1_000
LONGEST_METADATA = MAX_TEXT + 1024 * 1024
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
REFUSED_OPERATORS = ("Loop", "Scan", "SequenceMap")
"""They can run for ever, or hold graphs that are repeated as often as the input says."""


@dataclass
class _Sums:
    nodes: int = 0
    elements: int = 0


def validate(content: bytes) -> Any:
    """The parsed model. Raises JobProblem with the sentence that names what is wrong and where."""
    if len(content) > MOST_BYTES:
        raise JobProblem(
            f"The ONNX file has {len(content) / 2**20:.1f} MiB; at most {MOST_BYTES // 2**20} MiB can be served. "
            "A forest gets smaller with max_depth or min_samples_leaf."
        )
    try:
        model = onnx.load_from_string(content)
    except Exception as error:
        raise JobProblem(f"This is not an ONNX file: {str(error)[:200]}") from None
    _check_envelope(model)
    _check_graph(model.graph, 0, _Sums())
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        raise JobProblem(f"The ONNX file is not valid: {str(error)[:300]}") from None
    return model


def _check_envelope(model: Any) -> None:
    if not model.graph.node:
        raise JobProblem("The ONNX file contains no operators.")
    if model.functions:
        raise JobProblem(f"The ONNX file defines functions of its own ({_short(model.functions[0].name)}); these are not served.")
    if model.training_info:
        raise JobProblem("The ONNX file carries training information; export it for inference.")
    for each in model.opset_import:
        if each.domain not in DOMAINS:
            raise JobProblem(
                f"The ONNX file uses the operator domain {_short(each.domain)!r}; only ONNX's own operators are served."
            )
    if sum(len(each.key) + len(each.value) for each in model.metadata_props) > LONGEST_METADATA:
        raise JobProblem(f"The ONNX file's metadata is longer than {LONGEST_METADATA} characters.")


def _check_graph(graph: Any, depth: int, sums: _Sums) -> None:
    if depth > DEEPEST:
        raise JobProblem(f"The ONNX file nests graphs more than {DEEPEST} deep.")
    for value in (*graph.input, *graph.output):
        if len(value.name) > LONGEST_NAME:
            raise JobProblem(f"A name in the ONNX file is longer than {LONGEST_NAME} characters: {_short(value.name)}.")
    for tensor in graph.initializer:
        _check_tensor(tensor, f"the constant {_short(tensor.name)!r}", sums)
    for sparse in graph.sparse_initializer:
        _check_sparse(sparse, f"the constant {_short(sparse.values.name)!r}", sums)
    for node in graph.node:
        _check_node(node, depth, sums)


def _check_node(node: Any, depth: int, sums: _Sums) -> None:
    where = f"node {_short(node.name or ', '.join(map(str, node.output)))!r} ({_short(node.op_type)})"
    sums.nodes += 1
    if sums.nodes > MOST_NODES:
        raise JobProblem(f"The ONNX file has more than {MOST_NODES} operators, counted up to {where}.")
    if node.domain not in DOMAINS:
        raise JobProblem(
            f"The ONNX file's {where} is of the domain {_short(node.domain)!r}; only ONNX's own operators are served."
        )
    if node.op_type in REFUSED_OPERATORS:
        raise JobProblem(f"The ONNX file's {where} repeats a graph as often as its data say; such operators are not served.")
    for attribute in node.attribute:
        sums.elements += len(attribute.floats) + len(attribute.ints) + len(attribute.strings)
        for tensor in (attribute.t, *attribute.tensors):
            _check_tensor(tensor, where, sums)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            _check_sparse(sparse, where, sums)
        if attribute.HasField("g"):
            _check_graph(attribute.g, depth + 1, sums)
        for graph in attribute.graphs:
            _check_graph(graph, depth + 1, sums)
    if sums.elements > MOST_ELEMENTS:
        raise _too_many_elements(where)


def _check_sparse(sparse: Any, where: str, sums: _Sums) -> None:
    _check_tensor(sparse.values, where, sums)
    _check_tensor(sparse.indices, where, sums)


def _check_tensor(tensor: Any, where: str, sums: _Sums) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise JobProblem(
            f"The ONNX file keeps the data of {where} in another file. Save it as one file (save_as_external_data=False)."
        )
    elements = 1 if tensor.dims else len(tensor.raw_data) and 1
    for length in tensor.dims:
        if length < 0:
            raise JobProblem(f"The ONNX file's {where} has a negative length.")
        elements *= length
    sums.elements += elements
    if sums.elements > MOST_ELEMENTS:
        raise _too_many_elements(where)


def _too_many_elements(where: str) -> JobProblem:
    return JobProblem(
        f"The ONNX file has more than {MOST_ELEMENTS} constants, counted up to {where}. "
        "A forest gets smaller with max_depth or min_samples_leaf."
    )


def _short(name: object) -> str:
    """Names come from the file: data, to be shown cut. One that is no valid text arrives as bytes."""
    text = str(name)
    return text if len(text) <= 80 else text[:77] + "…"
