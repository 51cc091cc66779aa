"""The second build job: an ONNX file is checked, loaded and run once, before anything serves it. Runs in the jail.

It uses the runtime that replicas use, so what passes here loads there.
"""

import json
import time
from typing import Any

import numpy as np

from sandbox.builds.signature import InputField, Signature
from sandbox.builds.validate import validate
from sandbox.jail.errors import JobProblem
from sandbox.replicas.runtimes.onnx import OnnxRuntime

PRELOAD: tuple[str, ...] = ()

_ROWS = 3


def run(payload: bytes) -> bytes:
    """Payload: the ONNX file. Result: JSON with its signature, inputs, outputs, and milliseconds to load and to run."""
    model = validate(payload)
    del model
    started_s = time.perf_counter()
    try:
        runtime = OnnxRuntime(payload)
    except MemoryError:
        raise
    except Exception as error:
        raise JobProblem(f"ONNX Runtime does not load the model: {_shortened(error)}") from None
    loaded_s = time.perf_counter()
    values = _predict(runtime)
    finished_s = time.perf_counter()
    if len(values) != _ROWS:
        raise JobProblem(f"The model returns {len(values)} values for {_ROWS} rows; it must return one for each row.")
    facts = {
        "signature": runtime.signature.to_dict(),
        "inputs": runtime.input_names,
        "outputs": runtime.output_names,
        "load_ms": round((loaded_s - started_s) * 1000, 1),
        "run_ms": round((finished_s - loaded_s) * 1000, 1),
    }
    return json.dumps(facts).encode()


def _predict(runtime: OnnxRuntime) -> list[Any]:
    try:
        values = runtime.predict(trial_arrays(runtime.signature))
        json.dumps(values)
    except MemoryError:
        raise
    except Exception as error:
        raise JobProblem(
            f"The model loads but does not answer {_ROWS} rows that fit its signature: {_shortened(error)}"
        ) from None
    return values


def trial_arrays(signature: Signature) -> list[Any]:
    """Ones (and empty texts, or what the model knows), in the shapes and types that the signature promises."""
    if signature.layout == "matrix":
        columns = [_ones(each, signature.dtype, (_ROWS, 1)) for each in signature.inputs]
        return [np.concatenate(columns, axis=1)]
    return [_ones(each, each.dtype, _shape(each)) for each in signature.inputs]


def _shape(each: InputField) -> tuple[int, ...]:
    if not each.shape:
        return (_ROWS, 1)
    return (_ROWS, *(length if length > 0 else 1 for length in each.shape[1:]))


def _ones(each: InputField, dtype: str, shape: tuple[int, ...]) -> Any:
    if dtype == "str":
        return np.full(shape, each.known[0] if each.known else "", dtype=object)
    return np.full(shape, each.known[0] if each.known else 1, dtype=dtype)


def _shortened(error: Exception) -> str:
    return str(error).strip().replace("\n", " ")[:300]
