"""Where a version's files come from: the source that a client names, as a folder of this workspace on disk."""

import re
from pathlib import Path

from django.conf import settings

from sandbox.errors import ApiError, InvalidParameterValue, ResourceDoesNotExist, TemporarilyUnavailable
from sandbox.registry import mlflow_store, version_files
from sandbox.registry.aliases import version_by_alias
from sandbox.registry.artifact_paths import SCHEME, checked_path, path_of_uri, workspace_folder
from sandbox.registry.mlflow_store import mlflow_workspace
from sandbox.registry.versions import Status, get_version
from sandbox.workspaces.members import Caller

MAX_SOURCE_CHARACTERS = 1000
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})")
_VERSION = re.compile(r"models:/([^/@]+)/([0-9]{1,9})")
_ALIAS = re.compile(r"models:/([^/@]+)@([^/@]+)")
_RUN = re.compile(r"runs:/([0-9a-zA-Z]{1,64})(?:/(.*))?")
_DBFS = re.compile(r"dbfs:/databricks/mlflow-tracking/[0-9]+/(?:(logged_models)/)?([0-9a-zA-Z-]{1,64})/artifacts(?:/(.*))?")
_LEFT_BY_TRACKING = f"{SCHEME}/"


def source_folder(caller: Caller, source: str) -> Path:
    """The folder with the MLmodel file that the source names, for a caller who may read it.

    Sources: `models:/<logged model id>`, `models:/<name>/<version>`, `models:/<name>@<alias>`, `runs:/<run id>/<path>`, and the
    addresses that the tracking server gives for artifacts (`mlflow-artifacts:/…`, `dbfs:/databricks/mlflow-tracking/…`).

    Raises:
        InvalidParameterValue: the source lies elsewhere, climbs, or has no MLmodel file.
        ResourceDoesNotExist: this workspace has no such run, logged model or version.
    """
    folder = _registered(caller, source) or _artifacts(caller.workspace.id, source)
    mlmodel = folder / "MLmodel"
    if mlmodel.is_symlink() or not mlmodel.is_file():
        raise InvalidParameterValue(
            f"There is no model at '{source[:200]}': it has no MLmodel file. Log the model first, then register it."
        )
    return folder


def checked_source(source: object) -> str:
    """The source as text. Raises InvalidParameterValue for what is none."""
    if not isinstance(source, str) or len(source) > MAX_SOURCE_CHARACTERS or not source.isprintable():
        raise InvalidParameterValue(f"Invalid model version source: '{str(source)[:200]}'.")
    return source


def _registered(caller: Caller, source: str) -> Path | None:
    """The folder of another registered version; None when the source names none."""
    if match := _VERSION.fullmatch(source):
        version = get_version(caller, match[1], match[2])
    elif match := _ALIAS.fullmatch(source):
        version = version_by_alias(caller, match[1], match[2])
    else:
        return None
    if version.status != Status.READY:
        raise InvalidParameterValue(f"'{source[:200]}' is {version.status}: only READY versions can be copied.")
    return version_files.version_folder(version)


def _artifacts(workspace_id: str, source: str) -> Path:
    below = checked_path(_path_below_root(workspace_id, source))
    if not below.startswith(workspace_folder(mlflow_workspace(workspace_id)) + "/"):
        raise _elsewhere(source)
    folder: Path = settings.MLFLOW_DIR / "artifacts" / below
    return folder


def _path_below_root(workspace_id: str, source: str) -> str:
    """The artifact path that the source names; MLflow itself says what belongs to the workspace."""
    if match := _LOGGED_MODEL.fullmatch(source):
        return _asked(workspace_id, "logged_model", match[1])
    if match := _DBFS.fullmatch(source):
        kind = "logged_model" if match[1] else "run"
        return _asked(workspace_id, kind, match[2], match[3] or "")
    if match := _RUN.fullmatch(source):
        return _asked(workspace_id, "run", match[1], match[2] or "")
    if source.startswith(_LEFT_BY_TRACKING):
        return path_of_uri(mlflow_workspace(workspace_id), source)
    raise _elsewhere(source)


def _asked(workspace_id: str, kind: str, id_: str, inside: str = "") -> str:
    inside = checked_path(inside)
    try:
        root = mlflow_store.store().artifact_path(workspace_id, kind, id_)
    except TemporarilyUnavailable:
        raise
    except ApiError:
        raise ResourceDoesNotExist(f"There is no {kind.replace('_', ' ')} '{id_}' in this workspace.") from None
    return f"{root}/{inside}".rstrip("/")


def _elsewhere(source: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Invalid model version source: '{source[:200]}'. A version is registered from a run ('runs:/<run_id>/model'), "
        "a logged model ('models:/<model_id>'), another version ('models:/<name>/<version>') or an artifact of this workspace "
        "('mlflow-artifacts:/…'); files elsewhere have to be logged first."
    )
