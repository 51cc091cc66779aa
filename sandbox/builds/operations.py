"""Turn a logged model into the one file that replicas serve."""

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

from sandbox.builds import pyfunc_build, store
from sandbox.builds.mlmodel import FLAVOURS, LONGEST_BYTES, flavour_to_convert, read_mlmodel
from sandbox.builds.not_convertible import FACT, NotConvertible
from sandbox.builds.parcel import Parcel, unpack
from sandbox.builds.pyfunc_package import PackageError
from sandbox.builds.signature import Signature
from sandbox.jail.errors import JailRefused, JobFailed, JobProblem, ParentGone
from sandbox.jail.forked import warm_up as warm_up_parents
from sandbox.jail.launch import JailedJob, tier
from sandbox.jail.limits import GIB, MIB, Limits

BUILD_LIMITS = Limits(cpu_s=30, wall_s=60, address_space_bytes=3 * GIB, output_bytes=65 * MIB)
"""The result is one ONNX file of at most 64 MiB and a little about it."""
TRIAL_LIMITS = Limits(cpu_s=20, wall_s=30, address_space_bytes=2 * GIB, output_bytes=4 * MIB)

LARGEST_MODEL_BYTES = 256 * MIB
MOST_FILES = 200
_NOT_NEEDED = ("conda.yaml", "python_env.yaml", "requirements.txt", "registered_model_meta")
_CONVERT, _TRIAL = "sandbox.builds.convert", "sandbox.builds.trial"


@dataclass(frozen=True)
class BuiltModel:
    """A stored model file, and what was learnt about it."""

    sha256: str
    path: Path
    signature: dict[str, Any]
    """See `sandbox.builds.signature.Signature`."""
    log: str
    outputs: list[str] = field(default_factory=list)
    runtime: Literal["onnx", "pyfunc"] = "onnx"
    """What replicas run it with; for `pyfunc` the signature is MLflow's own, as JSON texts by `inputs`, `outputs`, `params`."""


class BuildFailed(Exception):
    """The model cannot be served; `message` tells the learner why and what to do, `log` is what the build printed."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.log = log


class NoOnnxForm(Exception):
    """The conversion's verdict `sandbox.builds.not_convertible.NotConvertible`, and the lines of its log."""

    def __init__(self, reason: str, lines: list[str]) -> None:
        super().__init__(reason)
        self.lines = lines


def build_model(model_dir: Path, into: Path | None = None) -> BuiltModel:
    """Convert, check, try and store the model in `model_dir` (an MLflow model: MLmodel and its files).

    Nothing of it is loaded outside the jail. It is stored in `into`, or where the site keeps its models. Raises BuildFailed.
    """
    started_s = time.monotonic()
    try:
        _require_onnx_flavour(model_dir)
        content, lines, facts = _convert_and_try(Parcel(files=dict(_model_files(model_dir))).pack())
    except NoOnnxForm as verdict:
        return _as_it_is(model_dir, into or settings.MODEL_DIR, verdict)
    except JailRefused as refusal:
        raise BuildFailed(f"Models cannot be built on this machine: {refusal}") from None
    except JobFailed as failure:
        raise BuildFailed(_sentence(failure), failure.stderr_tail) from None
    sha256, path = store.put(into or settings.MODEL_DIR, content)
    lines += [
        f"Loaded in {facts['load_ms']} ms, answered in {facts['run_ms']} ms.",
        f"Stored {len(content)} bytes as {sha256}.",
        f"Built in {time.monotonic() - started_s:.1f} s, jail {tier()}.",
    ]
    return BuiltModel(sha256, path, facts["signature"], "\n".join(lines), [str(name) for name in facts["outputs"]])


def _require_onnx_flavour(model_dir: Path) -> None:
    """Raises NoOnnxForm where the MLmodel file alone tells: then no conversion is started, whose imports take two seconds.

    A file that cannot be read is left to the conversion, which says what is wrong with it.
    """
    path = model_dir / "MLmodel"
    try:
        if stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size <= LONGEST_BYTES:
            flavour_to_convert(read_mlmodel(path.read_bytes()))
    except NotConvertible as verdict:
        raise NoOnnxForm(str(verdict)[:1000], []) from None
    except (OSError, JobProblem):
        return


def _convert_and_try(parcel: bytes) -> tuple[bytes, list[str], dict[str, Any]]:
    """The ONNX file, the log and what the trial found out. Raises NoOnnxForm, BuildFailed, JailRefused, JobFailed."""
    for parent in _warm_parents() if tier() == "T2" else ():  # bubblewrap's jail begins with a process of its own
        with contextlib.suppress(ParentGone):
            return _convert_and_try_once(parcel, parent)
    return _convert_and_try_once(parcel, None)


def _convert_and_try_once(parcel: bytes, parent: Path | None) -> tuple[bytes, list[str], dict[str, Any]]:
    # the trial's imports, if it has any to do, run while the model is converted
    with (
        JailedJob(_TRIAL, limits=TRIAL_LIMITS, parent=parent) as trial,
        JailedJob(_CONVERT, limits=BUILD_LIMITS, parent=parent) as conversion,
    ):
        content, lines = _converted(conversion.finish(parcel))
        return content, lines, _tried(trial, content, lines)


def _as_it_is(model_dir: Path, into: Path, verdict: NoOnnxForm) -> BuiltModel:
    """The model has no ONNX form: its folder is stored, and replicas run it with MLflow. Raises BuildFailed."""
    lines = [*verdict.lines, str(verdict), "So the model runs as it is, with MLflow, in a jailed process of its replica."]
    try:
        sha256, path, description, more = pyfunc_build.build(model_dir, into, _warm_parents())
    except PackageError as error:
        raise BuildFailed(str(error), "\n".join(lines)) from None
    except JailRefused as refusal:
        raise BuildFailed(f"Models cannot be built on this machine: {refusal}") from None
    except JobFailed as failure:
        raise BuildFailed(_sentence(failure), "\n".join([*lines, failure.message, failure.stderr_tail])) from None
    return BuiltModel(sha256, path, description, "\n".join([*lines, *more]), runtime="pyfunc")


def expect(flavour: str) -> None:
    """A model of this flavour will be built soon: if it is to be served as it is, MLflow is imported now, which takes 2.3 s."""
    if flavour not in FLAVOURS:
        warm_up_parents(_warm_parents())


def _warm_parents() -> list[Path]:
    """Where nodes of this machine listen that fork jobs whose imports they have done."""
    return sorted(settings.RUN_DIR.glob(pyfunc_build.WARM_PARENTS))


def _converted(result: bytes) -> tuple[bytes, list[str]]:
    """The ONNX file and the log. The result is as untrusted as the model, so its shape is checked. Raises NoOnnxForm."""
    try:
        parcel = unpack(result)
        lines = [str(line)[:1000] for line in parcel.facts["log"]][:200]
        if FACT in parcel.facts:
            raise NoOnnxForm(str(parcel.facts[FACT])[:1000], lines)
        return parcel.files["model.onnx"], lines
    except (ValueError, KeyError, TypeError):
        raise BuildFailed("The build returned something that is no model.") from None


def _tried(trial: JailedJob, content: bytes, lines: list[str]) -> dict[str, Any]:
    """What the trial run found out. Raises BuildFailed."""
    try:
        facts = json.loads(trial.finish(content))
        Signature.from_dict(facts["signature"])
    except JobFailed as failure:
        raise BuildFailed(_sentence(failure), "\n".join([*lines, failure.stderr_tail])) from None
    except (ValueError, KeyError, TypeError):
        raise BuildFailed("The model file carries no usable signature.", "\n".join(lines)) from None
    return dict(facts)


def _sentence(failure: JobFailed) -> str:
    """Most messages are whole sentences about the model; those about the process start with “It”."""
    if failure.message.startswith("It "):
        return f"Building the model was ended. {failure.message}"
    return failure.message


def _model_files(model_dir: Path) -> Iterator[tuple[str, bytes]]:
    """The model's regular files by their relative path. Links are not followed. Raises BuildFailed."""
    left_bytes, left_files = LARGEST_MODEL_BYTES, MOST_FILES
    for folder, folders, names in os.walk(model_dir, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in {"code", "env", "metadata"})
        for name in sorted(names):
            path = Path(folder) / name
            if name in _NOT_NEEDED or not stat.S_ISREG(path.lstat().st_mode):
                continue
            left_bytes, left_files = left_bytes - path.lstat().st_size, left_files - 1
            if left_bytes < 0:
                raise BuildFailed(f"The model's files are larger than {LARGEST_MODEL_BYTES // MIB} MiB together.")
            if left_files < 0:
                raise BuildFailed(f"The model has more than {MOST_FILES} files.")
            yield path.relative_to(model_dir).as_posix(), path.read_bytes()
