"""Where a version's files come from: the source that a client names, as a folder of this workspace on disk."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from sandbox.errors import ApiError, InvalidParameterValue, ResourceDoesNotExist, TemporarilyUnavailable
from sandbox.registry import mlflow_store, version_files
from sandbox.registry.aliases import version_by_alias
from sandbox.registry.artifact_paths import SCHEME, checked_path, path_of_uri
from sandbox.registry.mlflow_store import mlflow_workspace
from sandbox.registry.versions import Status, get_version
from sandbox.workspaces.members import Caller

Answer = TypeVar("Answer")

MAX_SOURCE_CHARACTERS = 1000
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})")
_VERSION = re.compile(r"models:/([^/@]+)/([0-9]{1,9})")
_ALIAS = re.compile(r"models:/([^/@]+)@([^/@]+)")
_RUN = re.compile(r"runs:/([0-9a-zA-Z]{1,64})(?:/(.*))?")
_DBFS = re.compile(r"dbfs:/databricks/mlflow-tracking/[0-9]+/(?:(logged_models)/)?([0-9a-zA-Z-]{1,64})/artifacts(?:/(.*))?")


@dataclass(frozen=True)
class Source:
    """A folder with an MLmodel file, and what made it as far as that is known (empty otherwise)."""

    folder: Path
    run_id: str = ""
    model_id: str = ""


def find_source(caller: Caller, source: str, model_id: str = "") -> Source:
    """What the source names, for a caller who may read it; `model_id` is the logged model that the client says it is.

    Sources: `models:/<logged model id>`, `models:/<name>/<version>`, `models:/<name>@<alias>`, `runs:/<run id>/<path>`, and the
    addresses that the tracking server gives for artifacts (`mlflow-artifacts:/…`, `dbfs:/databricks/mlflow-tracking/…`).

    Raises:
        InvalidParameterValue: the source lies elsewhere, climbs, or has no MLmodel file.
        ResourceDoesNotExist: this workspace has no such run, logged model or version.
    """
    found = _registered(caller, source) or _logged(caller.workspace.id, source, model_id)
    mlmodel = found.folder / "MLmodel"
    if mlmodel.is_symlink() or not mlmodel.is_file():
        raise InvalidParameterValue(
            f"There is no model at '{source[:200]}': it has no MLmodel file. Log the model first, then register it."
        )
    return found


def logged_model_id(text: str) -> str:
    """The id of a logged model; empty for what is none."""
    return text if _LOGGED_MODEL.fullmatch(f"models:/{text}") else ""


def checked_source(source: object) -> str:
    """The source as text. Raises InvalidParameterValue for what is none."""
    if not isinstance(source, str) or len(source) > MAX_SOURCE_CHARACTERS or not source.isprintable():
        raise InvalidParameterValue(f"Invalid model version source: '{str(source)[:200]}'.")
    return source


def _registered(caller: Caller, source: str) -> Source | None:
    """Another registered version; None when the source names none."""
    if match := _VERSION.fullmatch(source):
        version = get_version(caller, match[1], match[2])
    elif match := _ALIAS.fullmatch(source):
        version = version_by_alias(caller, match[1], match[2])
    else:
        return None
    if version.status != Status.READY:
        raise InvalidParameterValue(f"'{source[:200]}' is {version.status}: only READY versions can be copied.")
    return Source(version_files.version_folder(version), version.run_id, version.model_id)


def _logged(workspace_id: str, source: str, model_id: str) -> Source:
    """What the MLflow server keeps; it says itself what belongs to the workspace."""
    if match := _LOGGED_MODEL.fullmatch(source):
        return _of_logged_model(workspace_id, match[1])
    if match := _DBFS.fullmatch(source):
        inside = checked_path(match[3] or "")
        return _of_logged_model(workspace_id, match[2], inside) if match[1] else _of_run(workspace_id, match[2], inside)
    if match := _RUN.fullmatch(source):
        return _of_run(workspace_id, match[1], checked_path(match[2] or ""))
    if not source.startswith(f"{SCHEME}/"):
        raise _elsewhere(source)
    folder = _on_disk(workspace_id, source)
    return replace(_of_logged_model(workspace_id, model_id), folder=folder) if model_id else Source(folder)


def _of_logged_model(workspace_id: str, model_id: str, inside: str = "") -> Source:
    info = _asked("logged model", model_id, lambda: mlflow_store.store().logged_model(workspace_id, model_id))
    folder = _on_disk(workspace_id, str(info["artifact_uri"])) / inside
    return Source(folder, str(info.get("source_run_id", "")), model_id)


def _of_run(workspace_id: str, run_id: str, inside: str) -> Source:
    path = _asked("run", run_id, lambda: mlflow_store.store().artifact_path(workspace_id, "run", run_id))
    return Source(_artifact_root() / path / inside, run_id)


def _on_disk(workspace_id: str, uri: str) -> Path:
    return _artifact_root() / path_of_uri(mlflow_workspace(workspace_id), uri)


def _artifact_root() -> Path:
    root: Path = settings.MLFLOW_DIR / "artifacts"
    return root


def _asked(what: str, id_: str, ask: Callable[[], Answer]) -> Answer:
    """What the MLflow server knows. Raises ResourceDoesNotExist, TemporarilyUnavailable."""
    try:
        return ask()
    except TemporarilyUnavailable:
        raise
    except ApiError:
        raise ResourceDoesNotExist(f"There is no {what} '{id_}' in this workspace.") from None


def _elsewhere(source: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source[:200]}'. A version is registered from a run ('runs:/<run_id>/model'), "
        "a logged model ('models:/<model_id>'), another version ('models:/<name>/<version>') or an artifact of this workspace "
        "('mlflow-artifacts:/…'); files elsewhere have to be logged first."
    )
