"""Versions of registered models: pending while their files arrive, READY and unchangeable once all of them are there.

A number is counted up on the model's row, so none is given out twice, whatever becomes of its version. A version that nobody
finishes is swept to FAILED_REGISTRATION after an hour without a new file, and its files go.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from sandbox.builds import operations as builds
from sandbox.catalog.models import ModelAlias, ModelDetail, ModelVersion, Securable
from sandbox.errors import ApiError, InvalidParameterValue, InvalidState, ResourceDoesNotExist, ResourceExhausted
from sandbox.files import quota
from sandbox.registry import version_files
from sandbox.registry.mlmodel import described_model
from sandbox.registry.registered_models import MAX_TAGS, checked_comment, checked_tag, find_model, get_model, own_model
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

log = logging.getLogger(__name__)

Status = ModelVersion.Status
MAX_VERSIONS = 10_000
"""Of one model [docs: Resource limits]."""
MAX_PENDING = 100
"""Of one workspace: each may hold files that belong to nothing yet."""
PENDING_FOR = timedelta(hours=1)
NEVER_FINISHED = "The registration was not finished: its client stopped before all files were there. Register the model again."
SIGNATURE_NEEDED = (
    "All models in the Unity Catalog must be logged with a model signature containing both input and output type specifications. "
    "See https://mlflow.org/docs/latest/model/signatures.html#how-to-log-models-with-signatures for details on how to log a "
    "model with a signature"
)
_NO_SIGNATURE = "Model passed for registration did not contain any signature metadata. "
_ONLY_INPUTS = "Model passed for registration contained a signature that includes only inputs. "


# --- find ---------------------------------------------------------------------------------------------


def version_number(text: str | int) -> int:
    """Raises InvalidParameterValue for what is no whole number from 1 on."""
    if not str(text).isascii() or not str(text).isdigit() or len(str(text)) > 9:
        raise InvalidParameterValue(f"Version '{str(text)[:60]}' is not an integer. Versions are numbers such as '1'.")
    return int(text)


def find_version(model: Securable, number: str | int) -> ModelVersion:
    """Raises ResourceDoesNotExist, InvalidParameterValue for what is no number."""
    found = model.versions.filter(version=version_number(number)).first()
    if found is None:
        raise ResourceDoesNotExist(f"Model version '{model.full_name}' version {number} does not exist.")
    found.registered_model = model
    return found


def get_version(caller: Caller, name: str, number: str | int) -> ModelVersion:
    """A version that the caller may load. Raises ResourceDoesNotExist and PermissionDenied."""
    return find_version(get_model(caller, name), number)


def versions_of(model: Securable) -> QuerySet[ModelVersion]:
    """Newest first."""
    return model.versions.order_by("-version")


# --- register -----------------------------------------------------------------------------------------


def create_version(caller: Caller, name: str, **facts: Any) -> ModelVersion:
    """A pending version with a number of its own; `facts` are fields of ModelVersion, `comment` and `tags` among them.

    Raises ResourceDoesNotExist, PermissionDenied (who may not register), ResourceExhausted (10,000 versions, 100 pending).
    """
    model = find_model(caller.workspace, name)
    version_files.may_register(caller, model)
    return add_version(model, person(caller.user), **facts)


def add_version(model: Securable, by: str, **facts: Any) -> ModelVersion:
    """The same without asking who it is for."""
    checked_comment(facts.get("comment", ""))
    tags = facts.get("tags", {})
    _check_tags(tags)
    pending = ModelVersion.objects.filter(registered_model__workspace=model.workspace, status=Status.PENDING_REGISTRATION)
    if pending.count() >= MAX_PENDING:
        raise ResourceExhausted(f"{MAX_PENDING} versions of this workspace wait for their files. Finish or delete some of them.")
    with transaction.atomic():
        detail = ModelDetail.objects.filter(securable=model)
        detail.update(last_version=F("last_version") + 1)  # locks the row: two at once get two numbers
        if model.versions.count() >= MAX_VERSIONS:
            raise ResourceExhausted(f"Model '{model.full_name}' has {MAX_VERSIONS} versions already. Delete what is not needed.")
        number = detail.values_list("last_version", flat=True).get()
        Securable.objects.filter(pk=model.pk).update(updated_at=timezone.now(), updated_by=by)
        return ModelVersion.objects.create(
            registered_model=model, version=number, status=Status.PENDING_REGISTRATION, created_by=by, updated_by=by, **facts
        )


def finalize(caller: Caller, name: str, number: str | int) -> ModelVersion:
    """Check the files that arrived, bring them to disk, and make the version READY; a READY one stays as it is.

    Raises InvalidState: no MLmodel file, or the version has failed. InvalidParameterValue: no signature, in Unity Catalog.
    """
    version = find_version(find_model(caller.workspace, name), number)
    version_files.may_register(caller, version.registered_model)
    if version.status == Status.READY:
        return version
    version_files.may_write(caller, version)
    return make_ready(version, person(caller.user))


def register_copy(version: ModelVersion, source: Path, by: str) -> ModelVersion:
    """Fill a pending version with the files of `source` and make it READY; what goes wrong makes it FAILED_REGISTRATION."""
    workspace_id = version.registered_model.workspace_id
    size = sum(quota.counted(path.stat().st_size) for path in version_files.files_of(source))
    try:
        quota.take(workspace_id, size)
        version_files.copy_in(source, version)
        return make_ready(version, by)
    except ApiError as error:
        _fail(version, error.message)
        raise
    except OSError:
        _fail(version, "The files could not be copied.")
        raise


def make_ready(version: ModelVersion, by: str) -> ModelVersion:
    """Seal the files, then say READY: the order in which a kill leaves a pending version at worst."""
    with version_files.closed(version) as folder:
        described = check_files(version.registered_model, folder)
        version_files.seal(version)
    moment = timezone.now()
    is_mine = ModelVersion.objects.filter(pk=version.pk, status=Status.PENDING_REGISTRATION).update(
        status=Status.READY, described=described, updated_at=moment, updated_by=by
    )
    if not is_mine and not ModelVersion.objects.filter(pk=version.pk, status=Status.READY).exists():
        version_files.remove(version)
        raise InvalidState(f"Version {version.version} of '{version.registered_model.full_name}' was given up meanwhile.")
    version.status, version.described, version.updated_at, version.updated_by = Status.READY, described, moment, by
    builds.expect(described["flavor"])
    return version


def check_files(model: Securable, folder: Path) -> dict[str, Any]:
    """What the MLmodel file in the folder says.

    Raises InvalidState (there is none, or it cannot be read) and InvalidParameterValue (no signature, in Unity Catalog).
    """
    mlmodel = folder / "MLmodel"
    if mlmodel.is_symlink() or not mlmodel.is_file():
        raise InvalidState(
            f"The files of model '{model.full_name}' have no MLmodel file. Upload the whole model, then finalize it."
        )
    described = described_model(mlmodel.read_bytes())
    if model.parent_id is not None and not described["has_inputs"]:
        raise InvalidParameterValue(_NO_SIGNATURE + SIGNATURE_NEEDED)
    if model.parent_id is not None and not described["has_outputs"]:
        raise InvalidParameterValue(_ONLY_INPUTS + SIGNATURE_NEEDED)
    return described


def _fail(version: ModelVersion, message: str) -> bool:
    """Whether it was pending until now; its files go."""
    is_mine = ModelVersion.objects.filter(pk=version.pk, status=Status.PENDING_REGISTRATION).update(
        status=Status.FAILED_REGISTRATION, status_message=message, updated_at=timezone.now()
    )
    if is_mine:
        version_files.remove(version)
    return bool(is_mine)


# --- change -------------------------------------------------------------------------------------------


def update_version(caller: Caller, name: str, number: str | int, comment: str) -> ModelVersion:
    """Change the comment; nothing else of a version can be changed."""
    version = find_version(own_model(caller, name), number)
    version.comment = checked_comment(comment)
    version.updated_at, version.updated_by = timezone.now(), person(caller.user)
    version.save(update_fields=["comment", "updated_at", "updated_by"])
    return version


def delete_version(caller: Caller, name: str, number: str | int) -> None:
    """Delete the version with its aliases and files. What serves it goes on: it has a build of its own."""
    version = find_version(own_model(caller, name), number)
    model = version.registered_model
    with transaction.atomic():
        ModelAlias.objects.filter(registered_model=model, version=version.version).delete()
        ModelVersion.objects.filter(pk=version.pk).delete()
        transaction.on_commit(partial(version_files.remove, version))


def set_version_tag(caller: Caller, name: str, number: str | int, key: str, value: str) -> None:
    _change_tags(caller, name, number, {key: checked_tag(key, value)})


def delete_version_tag(caller: Caller, name: str, number: str | int, key: str) -> None:
    """A tag that is not there is fine."""
    _change_tags(caller, name, number, {key: None})


def _change_tags(caller: Caller, name: str, number: str | int, changes: dict[str, str | None]) -> None:
    found = find_version(own_model(caller, name), number)
    with transaction.atomic():
        version = ModelVersion.objects.select_for_update().get(pk=found.pk)
        version.tags = {key: value for key, value in {**version.tags, **changes}.items() if value is not None}
        _check_tags(version.tags)
        version.updated_at, version.updated_by = timezone.now(), person(caller.user)
        version.save(update_fields=["tags", "updated_at", "updated_by"])


def _check_tags(tags: dict[str, str]) -> None:
    for key, value in tags.items():
        checked_tag(key, value)
    if len(tags) > MAX_TAGS:
        raise ResourceExhausted(f"A version has at most {MAX_TAGS} tags.")


# --- sweep --------------------------------------------------------------------------------------------


def give_up_unfinished(now: datetime) -> int:
    """End registrations that got no file for an hour, and remove files that belong to no model; returns how many ended."""
    old = ModelVersion.objects.select_related("registered_model").filter(
        status=Status.PENDING_REGISTRATION, updated_at__lt=now - PENDING_FOR
    )
    given_up = [version for version in old if _last_file(version) < now - PENDING_FOR and _fail(version, NEVER_FINISHED)]
    for version in given_up:
        log.info("registration of %s version %s was given up", version.registered_model.full_name, version.version)
    version_files.remove_orphans()
    return len(given_up)


def _last_file(version: ModelVersion) -> datetime:
    """When the last file arrived; when the version was made, if none did."""
    moments = (path.stat().st_mtime for path in _present(version_files.files_of(version_files.version_folder(version))))
    return datetime.fromtimestamp(max(moments, default=version.created_at.timestamp()), tz=version.created_at.tzinfo)


def _present(paths: Iterable[Path]) -> Iterable[Path]:
    return (path for path in paths if path.exists())
