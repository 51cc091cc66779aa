"""Take over a model that was logged as ONNX, and attach signatures. Runs in the jail."""

from collections.abc import Callable
from typing import Any

import onnx
from onnx import TensorProto

from sandbox.builds.mlmodel import LoggedModel
from sandbox.builds.signature import METADATA_KEY, InputField, Output, Signature
from sandbox.jail.errors import JobProblem

_DTYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "str",
}
_TYPES = {"float32": "double", "float64": "double", "int64": "long", "int32": "long", "bool": "boolean", "str": "string"}


def attach_signature(model: Any, signature: Signature) -> bytes:
    """The model's bytes with the signature as its only metadata."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, signature.to_json()
    model.doc_string = ""
    return bytes(model.SerializeToString())


def adopt_onnx(content: bytes, logged: LoggedModel, note: Callable[[str], None]) -> tuple[bytes, Signature]:
    """The logged ONNX file with a signature. Raises JobProblem."""
    try:
        model = onnx.load_from_string(content)
    except Exception as error:
        raise JobProblem(f"{logged.model_file} is not an ONNX file: {str(error)[:200]}") from None
    if any(each.data_location == TensorProto.EXTERNAL for each in model.graph.initializer):
        raise JobProblem("The ONNX model keeps weights in other files. Log it with save_as_external_data=False.")
    inputs, outputs = _tensors(_fed(model.graph)), _tensors(model.graph.output)
    signature = _signature(logged, inputs, outputs)
    note(f"Took over {logged.model_file} ({len(content)} bytes): {len(inputs)} inputs, {len(outputs)} outputs.")
    return attach_signature(model, signature), signature


def _fed(graph: Any) -> list[Any]:
    """The inputs that have no value of their own."""
    constants = {each.name for each in graph.initializer}
    return [each for each in graph.input if each.name not in constants]


def _tensors(values: Any) -> tuple[InputField, ...]:
    """Inputs or outputs as tensors: name, dtype, shape."""
    found = []
    for value in values:
        tensor = value.type.tensor_type
        if tensor.elem_type not in _DTYPES:
            raise JobProblem(
                f"{value.name[:100]!r} of the ONNX model is not a tensor of numbers or text. Models made by skl2onnx need "
                "options={'zipmap': False}."
            )
        dtype = _DTYPES[tensor.elem_type]
        shape = tuple(each.dim_value if each.dim_value > 0 else -1 for each in tensor.shape.dim)
        found.append(InputField(value.name, dtype, True, dtype, shape or (-1,)))
    if not found:
        raise JobProblem("The ONNX model needs at least one input and one output.")
    return tuple(found)


def _signature(logged: LoggedModel, inputs: tuple[InputField, ...], outputs: tuple[InputField, ...]) -> Signature:
    """By the logged signature, the way MLflow feeds an ONNX model: columns one by one, or all in one matrix."""
    output = Output(outputs[0].name, _TYPES[outputs[0].dtype], "record")
    versions = {"onnx": onnx.__version__}
    if logged.inputs is None or logged.is_tensor:
        return Signature("tensor", "tensors", inputs, output, "", "ONNX", versions, logged.inputs is not None)
    if len(inputs) == 1:
        columns = tuple(InputField(c.name, c.type, c.required, inputs[0].dtype) for c in logged.inputs)
        return Signature("columns", "matrix", columns, output, inputs[0].dtype, "ONNX", versions)
    by_name = {each.name: each for each in inputs}
    if set(by_name) != {column.name for column in logged.inputs}:
        raise JobProblem(
            f"The signature's columns ({', '.join(c.name for c in logged.inputs)[:300]}) are not the ONNX model's inputs "
            f"({', '.join(by_name)[:300]}). Log it with a signature that names each input."
        )
    ordered = {column.name: column for column in logged.inputs}
    columns = tuple(InputField(e.name, ordered[e.name].type, ordered[e.name].required, e.dtype) for e in inputs)
    return Signature("columns", "per_column", columns, output, "", "ONNX", versions)
