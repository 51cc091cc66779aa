"""Take over a model that was logged as ONNX, and attach signatures. Runs in the jail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto

from sandbox.builds.mlmodel import LoggedModel
from sandbox.builds.signature import FOREST_KEY, METADATA_KEY, InputField, Output, Signature
from sandbox.jail.errors import JobProblem
from sandbox.replicas.runtimes.onnx import session as onnx_session

_DTYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "str",
}
_NUMPY = {
    "double": "float64",
    "float": "float32",
    "long": "int64",
    "integer": "int32",
    "boolean": "bool",
    "string": "object",
    "datetime": "datetime64[ns]",
}
_TYPES = {"float32": "double", "float64": "double", "int64": "long", "int32": "long", "bool": "boolean", "str": "string"}


def attach_signature(model: Any, signature: Signature, forest: str = "") -> bytes:
    """The model's bytes with the signature as its only metadata, but for a `ForestArrays` as text."""
    del model.metadata_props[:]
    for key, value in ((METADATA_KEY, signature.to_json()), (FOREST_KEY, forest)):
        if value:
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
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
    signature = _with_refusals(content, _signature(logged, inputs, outputs), note)
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
    if logged.inputs is None:
        return Signature("tensor", "tensors", inputs, output, "", "ONNX", versions, False)
    if logged.is_tensor:
        tensors = tuple(_logged_tensor(each, logged.inputs, len(inputs)) for each in inputs)
        return Signature("tensor", "tensors", tensors, output, "", "ONNX", versions, params=logged.params)
    if len(inputs) == 1:
        columns = tuple(InputField(c.name, c.type, c.required, inputs[0].dtype) for c in logged.inputs)
        return Signature("columns", "matrix", columns, output, inputs[0].dtype, "ONNX", versions, params=logged.params)
    by_name = {each.name: each for each in inputs}
    if set(by_name) != {column.name for column in logged.inputs}:
        raise JobProblem(
            f"The signature's columns ({', '.join(c.name for c in logged.inputs)[:300]}) are not the ONNX model's inputs "
            f"({', '.join(by_name)[:300]}). Log it with a signature that names each input."
        )
    ordered = {column.name: column for column in logged.inputs}
    columns = tuple(
        InputField(e.name, ordered[e.name].type, ordered[e.name].required, e.dtype, e.shape if len(e.shape) == 1 else ())
        for e in inputs
    )
    return Signature("columns", "per_column", columns, output, "", "ONNX", versions, params=logged.params)


def _logged_tensor(each: InputField, logged: tuple[InputField, ...], inputs: int) -> InputField:
    """The file's input with the name, the type and the shape that were logged; lengths that were left open are the file's."""
    known = logged[0] if inputs == len(logged) == 1 else next((field for field in logged if field.name == each.name), None)
    if known is None:
        raise JobProblem(
            f"The signature has no tensor for the ONNX model's input {each.name[:100]!r}. Log it with a signature that names "
            "each input."
        )
    if len(known.shape) != len(each.shape):
        return replace(each, name=known.name, type=known.type)
    shape = tuple(own if length < 0 else length for length, own in zip(known.shape, each.shape, strict=True))
    return replace(each, name=known.name, type=known.type, shape=(known.shape[0], *shape[1:]))


def _with_refusals(content: bytes, signature: Signature, note: Callable[[str], None]) -> Signature:
    """With what `mlflow.onnx` raises on every request, if it does; found out by feeding two rows as it would."""
    if not signature.is_declared:
        return signature
    try:
        outputs = _fed_by_mlflow(content, signature)
        if signature.kind == "columns":
            pd.DataFrame({name: np.asarray(values).reshape(-1) for name, values in outputs.items()})
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:1000]
        note(
            f"Warning: MLflow answers every request to this model with an error, and so does this endpoint ({said}). Log it with "
            "inputs of the types and shapes in the ONNX file, for instance signature=infer_signature(X.to_numpy(np.float32)), "
            "and with one output if it takes a table."
        )
        return replace(signature, refuses={"always": said})
    return signature


def _fed_by_mlflow(content: bytes, signature: Signature) -> dict[str, Any]:
    """The outputs for two rows of ones as `mlflow.onnx` hands them over: doubles become floats, nothing else is cast."""
    session = onnx_session(content)
    wanted = {each.name: each.type for each in session.get_inputs()}
    if signature.kind == "tensor":
        arrays = [_ones(each.type, (2, *(max(length, 1) for length in each.shape[1:]))) for each in signature.inputs]
    else:
        table = pd.DataFrame({each.name: _ones(_NUMPY[each.type], (2,)) for each in signature.inputs})
        arrays = [table.to_numpy()] if signature.layout == "matrix" else [table[name].to_numpy() for name in wanted]
    feed = {}
    for (name, kind), array in zip(wanted.items(), arrays, strict=True):
        feed[name] = array.astype(np.float32) if kind == "tensor(float)" and array.dtype == np.float64 else array
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def _ones(dtype: str, shape: tuple[int, ...]) -> Any:
    return np.full(shape, "a", dtype=object) if dtype in {"str", "object"} else np.ones(shape, dtype=dtype)
