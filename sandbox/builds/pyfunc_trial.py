"""The build job of a model that is served as it is: are its requirements here, does it load, does it answer? Runs in the jail.

It uses the runtime that replicas use, so what passes here loads there. Only what can never work ends the build: a model may
need environment variables of its served entity, which a build, shared by all entities, does not have.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from sandbox.builds import pyfunc_requirements
from sandbox.jail.errors import JobProblem
from sandbox.replicas.runtimes.pyfunc import OutOfMemoryError, PyfuncRuntime, missing_module, quiet

PRELOAD = ("numpy", "pandas", "sklearn.pipeline", "mlflow.pyfunc.scoring_server")

_COULD_NOT_LOAD = "An error occurred while loading the model. "


def run(payload: bytes) -> bytes:
    """Payload: JSON {"folder": …}. Result: JSON with lines for the build log and the model's description."""
    folder = str(json.loads(payload)["folder"])
    quiet()
    if not Path(folder, "MLmodel").is_file():
        raise JobProblem("The model has no MLmodel file. Log it with mlflow.pyfunc.log_model.")
    requirements = pyfunc_requirements.compare(Path(folder))
    if requirements.missing:
        raise JobProblem(_missing(requirements.missing))
    lines = requirements.lines
    runtime, description = _load(folder, lines)
    if runtime is not None:
        _try_example(runtime, folder, lines)
    sys.stdout.flush()  # a job ends without the interpreter's own clearing up
    return json.dumps({"log": lines, "description": description}).encode()


def _missing(missing: list[str]) -> str:
    return (
        f"{_COULD_NOT_LOAD}No module named {missing[0]!r}. Its requirements ask for {', '.join(missing)[:1000]}, which this site "
        "does not have, and nothing is installed for a model. Log it without that, or have the operator install it."
    )


def _load(folder: str, lines: list[str]) -> tuple[PyfuncRuntime | None, dict[str, Any]]:
    started_s = time.perf_counter()
    try:
        runtime = PyfuncRuntime(folder)
    except MemoryError:
        raise
    except Exception as error:
        if module := missing_module(error):
            raise JobProblem(
                f"{_COULD_NOT_LOAD}No module named {module!r}. It is not among the model's requirements and not installed on "
                "this site. Log the model with code_paths for modules of your own."
            ) from None
        lines.append(f"Warning: loading the model failed: {type(error).__name__}: {_shortened(error)}")
        lines.append("The environment variables of a served entity are not set during a build; a replica tries again with them.")
        return None, {}
    lines.append(f"Loaded in {(time.perf_counter() - started_s) * 1000:.0f} ms.")
    return runtime, runtime.describe()


def _try_example(runtime: PyfuncRuntime, folder: str, lines: list[str]) -> None:
    try:
        body = runtime.example(folder)
    except Exception as error:
        lines.append(f"Warning: the input example cannot be read: {type(error).__name__}: {_shortened(error)}")
        return
    if not body:
        lines.append("No input example was logged with the model, so it was not called.")
        return
    started_s = time.perf_counter()
    try:
        status, answer = runtime.answer(body)
    except OutOfMemoryError:
        raise MemoryError from None
    if status == 200:
        lines.append(f"Answered its input example in {(time.perf_counter() - started_s) * 1000:.0f} ms.")
    else:
        lines.append(f"Warning: the model does not answer its input example: {_message(answer)[:500]}")


def _message(answer: str) -> str:
    return str(json.loads(answer).get("message", "")).strip().replace("\n", " ")


def _shortened(error: Exception) -> str:
    return str(error).strip().replace("\n", " ")[:500]
