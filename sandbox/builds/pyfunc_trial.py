"""The build job of a model that is served as it is: are its requirements here, does it load, does it answer? Runs in the jail.

It uses the runtime that replicas use, so what passes here loads there. A model may need environment variables of its served
entity, which a build, shared by all entities, does not have: one that asked for some is left to its replica when it fails.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from sandbox.builds import pyfunc_requirements
from sandbox.jail.errors import JobProblem
from sandbox.jail.paths import PACKAGE_DIR
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
    asked_for: set[str] = set()
    try:
        with _environment_watched(asked_for):
            runtime = PyfuncRuntime(folder)
    except MemoryError:
        raise
    except Exception as error:
        if module := missing_module(error):
            raise JobProblem(
                f"{_COULD_NOT_LOAD}No module named {module!r}. It is not among the model's requirements and not installed on "
                "this site. Log the model with code_paths for modules of your own."
            ) from None
        if not asked_for:
            raise JobProblem(f"{_COULD_NOT_LOAD}{type(error).__name__}: {_shortened(error)}") from None
        lines.append(f"Warning: loading the model failed: {type(error).__name__}: {_shortened(error)}")
        lines.append(
            f"It asked for environment variables that a build does not have: {', '.join(sorted(asked_for))[:300]}. "
            "A replica tries again with those of its served entity."
        )
        return None, {}
    lines.append(f"Loaded in {(time.perf_counter() - started_s) * 1000:.0f} ms.")
    return runtime, runtime.describe()


@contextmanager
def _environment_watched(asked_for: set[str]) -> Iterator[None]:
    """Note the names of variables that are not set and that code outside of the installed packages asks for."""
    look_up = os._Environ.__getitem__

    def watched(self: Any, name: Any) -> Any:
        try:
            return look_up(self, name)
        except KeyError:
            if _is_models_own(sys._getframe(1)):
                asked_for.add(str(name)[:100])
            raise

    os._Environ.__getitem__ = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        os._Environ.__getitem__ = look_up  # type: ignore[method-assign]


def _is_models_own(frame: FrameType | None) -> bool:
    """Whether the first caller that is not the standard library's way to the environment is no installed code."""
    while frame is not None and frame.f_code.co_filename.startswith(("<frozen", os.__file__)):
        frame = frame.f_back
    installed = (sys.prefix, sys.base_prefix, str(PACKAGE_DIR))
    return frame is not None and not frame.f_code.co_filename.startswith(installed)


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
