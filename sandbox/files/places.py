"""From a path of the Files API to the folder on disk, for a caller who may use it."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections

from sandbox.catalog import access, securables, volumes
from sandbox.catalog.models import ModelVersion, SecurableType
from sandbox.errors import ApiError, InvalidParameterValue, InvalidState, NotFound, PermissionDenied
from sandbox.files import tree
from sandbox.files.paths import Area, split_path
from sandbox.files.tree import Place
from sandbox.registry import mlflow_store, version_files
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User, Workspace

ARTIFACT_ROOT_KEPT_S = 60.0
"""So long a run's folder is remembered: one model is a dozen files."""
_KINDS = {"Runs": "run", "LoggedModels": "logged_model", "Traces": "trace"}


@dataclass(frozen=True)
class Who:
    """A caller as tokens, sessions and signed addresses name her."""

    workspace_id: str
    user_id: str


async def locate(who: Who, path: str, *, writing: bool) -> Place:
    """Where the path lies on disk. The folder of a volume is made, so that a new one lists as empty; others for writing only.

    Raises:
        InvalidParameterValue: the path is malformed.
        NotFound, ResourceDoesNotExist: the object does not exist in the caller's workspace.
        PermissionDenied: the caller has not the privilege.
        InvalidState: a model version whose files can change no more.
    """
    area, naming, inside = split_path(path)
    if area is Area.ARTIFACTS:
        await sync_to_async(_checked_person)(who)
        root = await asyncio.to_thread(artifact_root, who.workspace_id, path, naming)
    else:
        root = await sync_to_async(_catalog_root)(who, area, naming, writing)
    if writing or area is Area.VOLUMES:
        await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True, mode=0o700)
    return Place(root, inside, path.rstrip("/"), who.workspace_id)


# --- what the catalog knows ------------------------------------------------------------------------


def _catalog_root(who: Who, area: Area, naming: tuple[str, ...], writing: bool) -> Path:
    close_old_connections()  # outside of a Django request nobody else does
    try:
        caller = known_caller(who)
        if area is Area.VOLUMES:
            return _volume_root(caller, naming, writing)
        return _version_root(caller, naming, writing)
    finally:
        close_old_connections()


def _checked_person(who: Who) -> None:
    """Whoever belongs to the workspace reaches its artifacts; a signed address may be older than her leaving."""
    close_old_connections()  # as above
    try:
        known_caller(who)
    finally:
        close_old_connections()


def known_caller(who: Who) -> Caller:
    """Raises PermissionDenied for somebody who belongs to the workspace no more."""
    workspace = Workspace.objects.filter(id=who.workspace_id).first()
    user = User.objects.filter(pk=who.user_id or 0, is_active=True).first()
    if workspace is None or user is None:
        raise PermissionDenied("The person of this token belongs to the workspace no more.")
    if workspace.owner_id is not None and not members.people(workspace).filter(pk=user.pk).exists():
        raise PermissionDenied("The person of this token belongs to the workspace no more.")
    return Caller(workspace, user)


def _volume_root(caller: Caller, naming: tuple[str, ...], writing: bool) -> Path:
    volume = securables.find(caller.workspace, SecurableType.VOLUME, _quoted(naming))
    access.require(caller, volume, "WRITE_VOLUME" if writing else "READ_VOLUME")
    return volumes.folder_of(volume)


def volume_files(caller: Caller, path: str, suffix: str) -> list[Path]:
    """The file `/Volumes/…`, or those of the folder whose names end with `suffix`, by name; for reading by SQL.

    Raises InvalidParameterValue (no volume's path, an empty file), NotFound, ResourceDoesNotExist, PermissionDenied.
    """
    area, naming, inside = split_path(path)
    if area is not Area.VOLUMES:
        raise InvalidParameterValue(
            f"SQL reads files of volumes only: '/Volumes/<catalog>/<schema>/<volume>/<path>', not {path[:200]}."
        )
    root, workspace_id = _volume_root(caller, naming, writing=False), caller.workspace.id
    place = Place(root, inside, path.rstrip("/"), workspace_id)
    try:
        tree.check_folder(place)
    except NotFound:
        return [_readable(place)]
    entries = [entry for entry in tree.list_folder(place) if not entry.is_directory and entry.name.endswith(suffix)]
    if not entries:
        raise NotFound(f"{place.path[:1100]} has no files *{suffix}.")
    return [_readable(Place(root, (*inside, entry.name), f"{place.path}/{entry.name}", workspace_id)) for entry in entries]


def _readable(place: Place) -> Path:
    """Where the file lies; no part of the path is a link."""
    descriptor, facts = tree.open_file(place)
    os.close(descriptor)
    if facts.st_size == 0:
        raise InvalidParameterValue(f"{place.path[:1100]} is empty.")
    return place.root.joinpath(*place.parts)


def _version_root(caller: Caller, naming: tuple[str, ...], writing: bool) -> Path:
    *levels, number = naming
    model = securables.find(caller.workspace, SecurableType.MODEL, _quoted(tuple(levels)))
    wanted = int(number) if number.isdecimal() and len(number) < 10 else 0
    version = ModelVersion.objects.select_related("registered_model").filter(registered_model=model, version=wanted).first()
    if version is None:
        raise NotFound(f"Version {number[:80]} of model '{model.full_name}' does not exist.")
    if writing:
        version_files.may_write(caller, version)
        if (version_files.model_folder(model) / str(version.version)).is_dir():
            raise InvalidState(
                f"Version {version.version} of model '{model.full_name}' is being finalized: its files change no more."
            )
    else:
        version_files.may_read(caller, version)
    return version_files.version_folder(version)


def _quoted(levels: tuple[str, ...]) -> str:
    return ".".join("`" + level.replace("`", "``") + "`" for level in levels)


# --- what MLflow knows -----------------------------------------------------------------------------

_roots: dict[tuple[str, str, str], tuple[float, Path]] = {}


def artifact_root(workspace_id: str, path: str, naming: tuple[str, ...]) -> Path:
    """The folder that the MLflow server serves as the artifacts of a run, logged model or trace of this workspace.

    Raises NotFound when the workspace has no such thing, or the experiment is another one.
    """
    experiment_id, kind, id_, last = naming
    if kind not in _KINDS or last != "artifacts":
        raise NotFound(f"{path[:1100]} does not exist. Paths go on with Runs or LoggedModels, an id, and 'artifacts'.")
    key = (workspace_id, kind, id_)
    found = _roots.get(key)
    if found is None or time.monotonic() - found[0] > ARTIFACT_ROOT_KEPT_S:
        found = (time.monotonic(), _asked(workspace_id, kind, id_, path))
        if len(_roots) > 10_000:
            _roots.clear()
        _roots[key] = found
    root = found[1]
    parents = {"Runs": 2, "LoggedModels": 3, "Traces": 3}[kind]
    if root.parts[-parents - 1] != experiment_id:
        raise NotFound(f"{path[:1100]} does not exist.")
    return root


def _asked(workspace_id: str, kind: str, id_: str, path: str) -> Path:
    try:
        below = mlflow_store.store().artifact_path(workspace_id, _KINDS[kind], id_)
    except ApiError as error:
        if error.status == 503:
            raise
        raise NotFound(f"{path[:1100]} does not exist.") from None
    root: Path = settings.MLFLOW_DIR / "artifacts" / below
    return root
