"""The ONNX runtime of a jailed runner; the only importer of onnxruntime.

Importing it is meant to happen before the jail is entered, `load` after: nothing is read from the disk then.
"""

import os
from collections.abc import Callable
from typing import Any

from sandbox.builds.signature import FOREST_KEY, METADATA_KEY, Signature

# The released builds report use to their maker unless told otherwise before the import (Privacy.md in the package), from a
# thread of their own, which would keep the process out of the jail.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

Values = list[Any]
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
FEW_ROWS = 8
"""So few are evaluated sooner by ONNX Runtime."""
_forests: Any = None
"""The module that evaluates forests, once `compile_forests` has been called."""


def compile_forests() -> None:
    """Have models that are made from now on, in this process and its children, evaluate forests in compiled code.

    Takes most of a second, and cannot be done in the jail.
    """
    global _forests
    from sandbox.replicas.runtimes import forests

    _forests = forests


def can_evaluate_forests() -> bool:
    """Whether `compile_forests` has been called."""
    return _forests is not None


class OnnxRuntime:
    """One model, ready to answer. Not thread-safe, and uses one thread."""

    def __init__(self, model_bytes: bytes, device: str = "cpu") -> None:
        """Raises ValueError when the file carries no signature, and onnxruntime's errors when it does not load."""
        self._device = device
        self._session = session(model_bytes, device)
        self._run = self._run_bound if self._session.get_providers()[0] == CUDA else self._run_plain
        metadata = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ValueError(f"The model file carries no {METADATA_KEY}: it was not written by a build.")
        self.signature = Signature.from_json(metadata[METADATA_KEY])
        self.input_names: list[str] = [each.name for each in self._session.get_inputs()]
        self.output_names: list[str] = [each.name for each in self._session.get_outputs()]
        self._finish = _finisher(self.signature, self.output_names)
        self._forest = self._as_forest(metadata.get(FOREST_KEY, "")) if can_evaluate_forests() else None

    def _as_forest(self, text: str) -> Any:
        """None for other models."""
        if not text or len(self.input_names) != 1 or len(self.output_names) != 1:
            return None
        answers_doubles = self._session.get_outputs()[0].type == "tensor(double)"
        name = self.input_names[0]
        return _forests.forest(text, lambda rows: self._run({name: rows})[0], self.signature.dtype, answers_doubles)

    def describe(self) -> dict[str, Any]:
        """Plain data for the worker: the signature, the execution provider and the device."""
        provider = self._session.get_providers()[0]
        device = self._device if provider == CUDA else "cpu"
        return {"signature": self.signature.to_dict(), "provider": provider, "device": device}

    def predict(self, arrays: list[Any]) -> Values:
        """One JSON-ready value for each row.

        `arrays`: one array for each ONNX input, in order (see `Signature.layout` for shapes and types). Raises
        onnxruntime's errors when they do not fit, ValueError when their number does not.
        """
        if self._forest is not None and len(arrays[0]) > FEW_ROWS and (answer := self._forest.predict(arrays[0])) is not None:
            return self._finish([answer])
        feed = dict(zip(self.input_names, arrays, strict=True))
        return self._finish(self._run(feed))

    def _run_plain(self, feed: dict[str, Any]) -> list[Any]:
        return self._session.run(self.output_names, feed)  # type: ignore[no-any-return]  # onnxruntime has no types

    def _run_bound(self, feed: dict[str, Any]) -> list[Any]:
        """On a device: each array of the message is copied there once, outputs are allocated there and copied back once."""
        binding = self._session.io_binding()
        for name, array in feed.items():
            binding.bind_cpu_input(name, array)
        for name in self.output_names:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()  # type: ignore[no-any-return]


def load(model_bytes: bytes, device: str = "cpu") -> OnnxRuntime:
    """Make a model from the bytes of a stored file. `device`: `cpu`, or `cuda:<index>` where the machine has it."""
    return OnnxRuntime(model_bytes, device)


def session(model_bytes: bytes, device: str = "cpu") -> Any:
    """An ONNX Runtime session with one thread, as every runtime of a replica uses it."""
    return onnxruntime.InferenceSession(model_bytes, _options(), providers=_providers(device))


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def can_use_cuda() -> bool:
    """Whether this build of ONNX Runtime has the CUDA provider; whether there is a device is another question."""
    return CUDA in onnxruntime.get_available_providers()


def _providers(device: str) -> list[Any]:
    """The execution providers to use, the wanted one first where it exists. `device`: `cpu`, `cuda` or `cuda:<index>`."""
    if device == "cpu" or not can_use_cuda():
        return [CPU]
    index = int(device.partition(":")[2] or 0)
    return [(CUDA, {"device_id": index, "arena_extend_strategy": "kSameAsRequested"}), CPU]


def _finisher(signature: Signature, names: list[str]) -> Callable[[list[Any]], Values]:
    """What turns the session's arrays into one value for each row, chosen once."""
    if signature.output.form == "record":
        return lambda arrays: _records(names, arrays)
    kind = {"boolean": bool, "double": float}.get(signature.output.type)
    if signature.output.form == "vector":
        return lambda arrays: _typed(arrays[0], kind).tolist()
    return lambda arrays: _typed(arrays[0].ravel(), kind).tolist()


def _typed(array: Any, kind: type | None) -> Any:
    """ONNX labels are integers or texts; the model's may have been booleans or doubles."""
    return array if kind is None else array.astype(kind, copy=False)


def _records(names: list[str], arrays: list[Any]) -> Values:
    """{output name: value} for each row; `sandbox.replicas.predictions` makes MLflow's answer of them."""
    return [dict(zip(names, row, strict=True)) for row in zip(*(array.tolist() for array in arrays), strict=True)]
