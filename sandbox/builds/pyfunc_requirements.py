"""What a model says it needs, compared with what is installed here. Runs in the jail, because the files are the learner's.

Read are the files that MLflow writes beside a model: requirements.txt, else the pip section of conda.yaml, and
python_env.yaml for the version of Python.
"""

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement

_LONGEST_FILE_BYTES = 256 * 1024
_MOST_REQUIREMENTS = 500
_SAME_MODULE = {"xgboost": "xgboost-cpu", "onnxruntime": "onnxruntime-gpu"}
"""Packages that bring the same module as the one that a model names."""
_HASH = re.compile(r"\s--hash=\S+")


@dataclass
class Comparison:
    """What differs, as lines for the build log, and what is not there at all."""

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """As they were declared."""


def compare(folder: Path) -> Comparison:
    """The declared requirements against the installed packages."""
    found = Comparison()
    declared = _declared(folder)
    for written in declared[:_MOST_REQUIREMENTS]:
        _check(written, found)
    _check_python(folder, found)
    if not declared:
        found.lines.append("The model declares no requirements; it runs with what is installed here.")
    elif not found.missing and not found.lines:
        found.lines.append(f"All {len(declared)} requirements are installed as declared.")
    return found


def _check(written: str, found: Comparison) -> None:
    try:
        wanted = Requirement(written)
    except InvalidRequirement:
        found.lines.append(f"Warning: the requirement {written[:200]!r} cannot be compared; it is left out.")
        return
    if wanted.marker is not None and not wanted.marker.evaluate():
        return
    try:
        installed = _version(wanted.name)
    except PackageNotFoundError:
        found.missing.append(written[:200])
        return
    if not wanted.specifier.contains(installed, prereleases=True):
        found.lines.append(f"Warning: the model was logged with {written[:200]}; installed here is {wanted.name}=={installed}.")


def _version(name: str) -> str:
    """Raises PackageNotFoundError."""
    try:
        return version(name)
    except PackageNotFoundError:
        if name not in _SAME_MODULE:
            raise
        return version(_SAME_MODULE[name])


def _check_python(folder: Path, found: Comparison) -> None:
    declared = str(_mapping(_yaml(folder / "python_env.yaml")).get("python") or "")
    if declared and declared.split(".")[:2] != platform.python_version().split(".")[:2]:
        found.lines.append(f"Warning: the model was logged with Python {declared[:20]}; this is {platform.python_version()}.")


def _declared(folder: Path) -> list[str]:
    text = _text(folder / "requirements.txt")
    if text is not None:
        return list(_lines(text))
    dependencies = _mapping(_yaml(folder / "conda.yaml")).get("dependencies")
    listed = dependencies if isinstance(dependencies, list) else []
    pip: object = next((each["pip"] for each in listed if isinstance(each, dict) and "pip" in each), [])
    return list(_lines("\n".join(str(each) for each in pip))) if isinstance(pip, list) else []


def _lines(text: str) -> Iterator[str]:
    """Requirements without comments, options and hashes."""
    for line in text.replace("\\\n", " ").splitlines():
        line = _HASH.sub("", line.split(" #")[0]).strip()
        if line and not line.startswith(("#", "-")):
            yield line


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_FILE_BYTES).decode(errors="replace")
    except OSError:
        return None


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(_text(path) or "")
    except (yaml.YAMLError, RecursionError):
        return None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
