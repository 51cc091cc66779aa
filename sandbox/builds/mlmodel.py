"""Read an MLmodel file: which flavour to load, and the signature that was logged.

Everything that could make a loader run the learner's own code (`loader_module`, `code`, `skops_trusted_types`, `env`) is
left unread.
"""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox.builds.not_convertible import NotConvertible
from sandbox.builds.signature import COLUMN_TYPES, InputField, ParamField
from sandbox.jail.errors import JobProblem

FLAVOURS = ("sklearn", "xgboost", "lightgbm", "onnx")
"""Those that can become ONNX, the first that a model has counts."""
LONGEST_BYTES = 256 * 1024
MOST_COLUMNS = 2_000


@dataclass(frozen=True)
class LoggedModel:
    """What the MLmodel file says, as far as a build heeds it."""

    flavours: tuple[str, ...]
    model_file: str
    """Relative path of the flavour's file (or folder); empty when no flavour names one."""
    model_class: str
    """Of a booster; empty for the other flavours."""
    serialization_format: str
    predict_method: str
    sklearn_version: str
    inputs: tuple[InputField, ...] | None
    """The logged columns or tensors; None without a signature."""
    is_tensor: bool
    example_file: str
    """Relative path of the input example; empty when none was logged."""
    params: tuple[ParamField, ...] | None = None
    """The logged inference parameters; None without a schema of them."""


def read_mlmodel(content: bytes) -> LoggedModel:
    """Parse the MLmodel file. Raises JobProblem with a sentence for the learner."""
    if len(content) > LONGEST_BYTES:
        raise JobProblem(f"The MLmodel file has {len(content)} bytes; at most {LONGEST_BYTES} are read.")
    try:
        raw = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise JobProblem(f"The MLmodel file is not valid YAML: {str(error)[:300]}") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("flavors"), dict):
        raise JobProblem("The MLmodel file names no flavors. Log the model with mlflow.sklearn.log_model.")
    flavours = raw["flavors"]
    inputs, is_tensor = _inputs(raw.get("signature"))
    sklearn = _mapping(flavours.get("sklearn"))
    chosen = next((found for name in FLAVOURS if (found := _mapping(flavours.get(name)))), {})
    example = _mapping(raw.get("saved_input_example_info"))
    return LoggedModel(
        flavours=tuple(str(name) for name in flavours),
        model_file=str(chosen.get("pickled_model") or chosen.get("data") or ""),
        model_class=str(chosen.get("model_class") or ""),
        serialization_format=str(chosen.get("serialization_format") or ""),
        predict_method=str(_mapping(flavours.get("python_function")).get("predict_fn") or "predict"),
        sklearn_version=str(sklearn.get("sklearn_version") or ""),
        inputs=inputs,
        is_tensor=is_tensor,
        example_file=str(example.get("artifact_path") or ""),
        params=_params(raw.get("signature")),
    )


def flavour_to_convert(logged: LoggedModel) -> str:
    """The flavour that can become ONNX. Raises NotConvertible."""
    found = next((each for each in FLAVOURS if each in logged.flavours), None)
    if found is None:
        raise NotConvertible(f"Models of the flavors {', '.join(logged.flavours)} have no ONNX form here.")
    return found


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _inputs(signature: object) -> tuple[tuple[InputField, ...] | None, bool]:
    """The logged inputs and whether they are tensors."""
    text = _mapping(signature).get("inputs")
    if not text:
        return None, False
    try:
        fields = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        fields = None
    if not isinstance(fields, list) or not all(isinstance(each, dict) for each in fields):
        raise JobProblem("The signature's inputs in the MLmodel file are not a JSON list of columns.")
    if len(fields) > MOST_COLUMNS:
        raise JobProblem(f"The signature has {len(fields)} columns; at most {MOST_COLUMNS} can be served.")
    if any(each.get("type") == "tensor" for each in fields):
        return tuple(_tensor(each) for each in fields), True
    return tuple(_column(each) for each in fields), False


def _params(signature: object) -> tuple[ParamField, ...] | None:
    text = _mapping(signature).get("params")
    try:
        fields = json.loads(text) if isinstance(text, str) else text
        if not fields:
            return None
        return tuple(
            ParamField(str(each["name"]), str(each["type"]), each.get("default"), None if each.get("shape") is None else (-1,))
            for each in fields
        )
    except (ValueError, TypeError, KeyError):
        raise JobProblem("The signature's params in the MLmodel file are not a JSON list of parameters.") from None


def _column(raw: dict[str, Any]) -> InputField:
    name = str(raw.get("name") or "")
    kind = str(raw.get("type"))
    if not name:
        raise NotConvertible("The columns of the signature have no names.")
    if kind not in COLUMN_TYPES:
        raise NotConvertible(f"Column {name!r} of the signature has type {kind}; an ONNX form takes {', '.join(COLUMN_TYPES)}.")
    return InputField(name=name, type=kind, required=bool(raw.get("required", not raw.get("optional", False))))


def _tensor(raw: dict[str, Any]) -> InputField:
    tensor = _mapping(raw.get("tensor-spec"))
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(isinstance(length, int) for length in shape):
        raise NotConvertible("A tensor of the signature has no shape. Log the model with infer_signature(X, model.predict(X)).")
    dtype = str(tensor.get("dtype", ""))
    return InputField(name=str(raw.get("name") or ""), type=dtype, dtype=dtype, shape=tuple(shape))
