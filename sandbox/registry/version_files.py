"""The files of model versions: one folder each, filled while the version is pending, sealed when it becomes READY."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from sandbox.catalog import access
from sandbox.catalog.models import ModelVersion, Securable, SecurableType
from sandbox.errors import InvalidState, PermissionDenied
from sandbox.workspaces.members import Caller

EXECUTE = "EXECUTE"
_PENDING = ".pending"
_ALREADY = {
    ModelVersion.Status.READY: "is READY: the files of a version never change. Register a new version.",
    ModelVersion.Status.FAILED_REGISTRATION: "has failed to register. Register a new version.",
}


def root() -> Path:
    """Everything that registered models keep on disk: <workspace>/<model's id>/<version>/."""
    return Path(settings.DATA_DIR) / "registry"


def model_folder(model: Securable) -> Path:
    return root() / model.workspace_id / model.id


def version_folder(version: ModelVersion) -> Path:
    """Where the files of the version lie now; it need not exist yet.

    A pending version's folder has another name than a READY one's, so a write that began before the version was sealed
    ends nowhere. Receive a file outside of this folder and move it in when it is whole.
    """
    name = str(version.version)
    return model_folder(version.registered_model) / (name if version.status == ModelVersion.Status.READY else name + _PENDING)


def may_read(caller: Caller, version: ModelVersion) -> None:
    """Raises PermissionDenied unless the caller may load the model: EXECUTE, or a model of the workspace registry."""
    model = version.registered_model
    if model.parent_id is not None:
        access.require(caller, model, EXECUTE)


def may_write(caller: Caller, version: ModelVersion) -> None:
    """Whether the caller may put files into the version now.

    Raises InvalidState once it is READY or has failed, PermissionDenied for anybody but those who may register versions.
    """
    model = version.registered_model
    may_register(caller, model)
    if version.status != ModelVersion.Status.PENDING_REGISTRATION:
        words = _ALREADY[ModelVersion.Status(version.status)]
        raise InvalidState(f"Version {version.version} of model '{model.full_name}' {words}")


def may_register(caller: Caller, model: Securable) -> None:
    """Raises PermissionDenied unless the caller may add versions: the owner, MANAGE or CREATE_MODEL_VERSION."""
    if model.parent_id is not None:
        access.require(caller, model, access.MANAGE, "CREATE_MODEL_VERSION")
    elif not (access.owns(caller, model) or access.allows(caller, model, access.MANAGE)):
        raise PermissionDenied(
            f"Only the owner of registered model '{model.full_name}' and admins of the workspace may change it."
        )


def files_of(folder: Path) -> Iterator[Path]:
    """Every regular file below the folder, in order; links are left out."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


@contextmanager
def closed(version: ModelVersion) -> Iterator[Path]:
    """The folder with the version's files, to look at and seal: nothing arrives or goes in it meanwhile.

    Whoever changes a file holds the pending folder for that moment (`files.tree.folder`) and finds it gone when it was sealed.
    It is the final one when somebody else, or an earlier try that was killed, has sealed it.
    """
    final = model_folder(version.registered_model) / str(version.version)
    pending = final.with_name(final.name + _PENDING)
    try:
        descriptor = os.open(pending, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield final
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield pending if pending.is_dir() else final
    finally:
        os.close(descriptor)


def seal(version: ModelVersion) -> Path:
    """Bring the pending version's files to disk for good and give the folder its final name; returns that.

    Safe to repeat, also at the same time: what has its final name keeps it, and its files.
    """
    final = model_folder(version.registered_model) / str(version.version)
    pending = final.with_name(final.name + _PENDING)
    try:
        if pending.is_dir():
            _sync_tree(pending)
            pending.rename(final)
            _sync(final.parent)
    except OSError:
        if not final.is_dir():  # else somebody who was asked the same was faster
            raise
    return final


def copy_in(source: Path, version: ModelVersion) -> None:
    """Copy a model's files into the pending version: a later change of the source must not change the version."""
    into = version_folder(version)
    shutil.rmtree(into, ignore_errors=True)
    for path in files_of(source):
        target = into / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(path, target, follow_symlinks=False)


def remove(version: ModelVersion) -> None:
    """Remove the version's files, pending or final."""
    final = model_folder(version.registered_model) / str(version.version)
    for folder in (final, final.with_name(final.name + _PENDING)):
        shutil.rmtree(folder, ignore_errors=True)


def remove_orphans() -> None:
    """Remove the folders of models that are gone: deleted with their workspace, or by a process that was killed meanwhile."""
    folders = list(root().glob("*/*"))  # first: a model that is made meanwhile has no folder among them
    kept = set(Securable.objects.filter(securable_type=SecurableType.MODEL).values_list("id", flat=True))
    for folder in folders:
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in files_of(folder):
        _sync(path)
    for directory in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
