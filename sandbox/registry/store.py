"""The registry as the site itself reads it: a workspace's models and their files, without asking who wants to know."""

import shutil
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.catalog import securables
from sandbox.catalog.models import ModelVersion as VersionRow
from sandbox.catalog.models import Securable
from sandbox.errors import InvalidState, ResourceAlreadyExists
from sandbox.features.spec import FILE_NAME as FEATURE_SPEC
from sandbox.registry import aliases, version_files, versions
from sandbox.registry.mlmodel import ModelDescription
from sandbox.registry.registered_models import add_model, find_model, model_key, of_workspace
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.operations import person

MODELS_LISTED, VERSIONS_LISTED = 100, 1000
FILES_LIMIT = 500
TOTAL_BYTES_LIMIT = 512 * 1024 * 1024
SMALL_FILE_BYTES_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class ModelVersion:
    """One registered version. `version` is a decimal string, times are milliseconds since the epoch."""

    name: str
    version: str
    status: str
    source: str
    run_id: str
    model_id: str
    created_ms: int
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model and its READY versions, newest first. `aliases` maps alias to version."""

    name: str
    description: str
    updated_ms: int
    aliases: dict[str, str] = field(default_factory=dict)
    versions: tuple[ModelVersion, ...] = ()


def list_models(workspace_id: str, limit: int = MODELS_LISTED) -> list[RegisteredModel]:
    """The workspace's registered models by name, at most `limit`, with the newest thousand versions of all of them."""
    models = list(of_workspace(Workspace(id=workspace_id)).order_by("full_name").prefetch_related("aliases")[:limit])
    rows = VersionRow.objects.filter(registered_model__in=models, status=versions.Status.READY)
    by_model: dict[str, list[VersionRow]] = defaultdict(list)
    for row in rows.order_by("-created_at")[:VERSIONS_LISTED]:
        by_model[row.registered_model_id].append(row)
    return [_model(model, sorted(by_model[model.id], key=lambda row: row.version, reverse=True)) for model in models]


def get_version(workspace_id: str, name: str, version: str) -> ModelVersion:
    """One READY version.

    Raises ResourceDoesNotExist, InvalidState while it is pending and when its registration failed.
    """
    row = _ready(workspace_id, name, version)
    model_aliases = row.registered_model.aliases.filter(version=row.version).order_by("alias_key")
    return _version(row, row.registered_model.full_name, tuple(model_aliases.values_list("alias", flat=True)))


def resolve_alias(workspace_id: str, name: str, alias: str) -> str:
    """The version an alias points at, in any case. Raises ResourceDoesNotExist."""
    return str(aliases.find_alias(find_model(Workspace(id=workspace_id), name), alias).version)


def set_alias(workspace_id: str, name: str, alias: str, version: str) -> None:
    """Point an alias of a registered model at a version."""
    aliases.point(find_model(Workspace(id=workspace_id), name), alias, version)


def describe(workspace_id: str, version: ModelVersion) -> ModelDescription:
    """Flavour and signature of a version, as its MLmodel file said when it became READY."""
    kept = _ready(workspace_id, version.name, version.version).described
    return ModelDescription(kept["flavor"], kept["flavor_version"], kept["inputs"], kept["outputs"])


def serving_input_example(workspace_id: str, version: ModelVersion) -> bytes:
    """The request body (JSON) that MLflow keeps with a model logged with an input example. Raises InvalidState: there is none."""
    folder = version_files.version_folder(_ready(workspace_id, version.name, version.version))
    path = folder / "serving_input_example.json"
    if path.is_symlink() or not path.is_file() or path.stat().st_size > SMALL_FILE_BYTES_LIMIT:
        raise InvalidState(f"Version {version.version} of '{version.name}' was logged without an input example.")
    return path.read_bytes()


def feature_spec(workspace_id: str, name: str, version: str) -> bytes | None:
    """The file that says which features the version looks up (`sandbox.features.spec`); None for a model without one.

    Raises ResourceDoesNotExist, InvalidState (not READY, or a file of more than 1 MiB).
    """
    path = version_files.version_folder(_ready(workspace_id, name, version)) / FEATURE_SPEC
    if path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > SMALL_FILE_BYTES_LIMIT:
        raise InvalidState(f"{FEATURE_SPEC} of version {version} of '{name}' has more than {SMALL_FILE_BYTES_LIMIT} bytes.")
    return path.read_bytes()


def fetch_artifacts(workspace_id: str, version: ModelVersion, into: Path) -> None:
    """Copy the version's model directory (MLmodel and the files beside it) into an empty directory.

    Raises InvalidState: more than 500 files or 512 MiB.
    """
    folder = version_files.version_folder(_ready(workspace_id, version.name, version.version))
    files = list(version_files.files_of(folder))
    if not files:
        raise InvalidState("The files of the model version are lost. Register a new version.")
    if len(files) > FILES_LIMIT or sum(path.stat().st_size for path in files) > TOTAL_BYTES_LIMIT:
        raise InvalidState(f"A model to be served has at most {FILES_LIMIT} files and {TOTAL_BYTES_LIMIT} bytes.")
    for path in files:
        target = into / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target, follow_symlinks=False)


def register_directory(workspace_id: str, name: str, directory: Path) -> str:
    """Register a saved MLflow model directory under a name, which is made when it is new; returns the new version.

    Nothing is imported or unpickled: the files are copied as they are. It belongs to the owner of the workspace.
    """
    workspace = Workspace.objects.select_related("owner").get(id=workspace_id)
    owner = person(workspace.owner) if workspace.owner is not None else securables.SYSTEM
    with suppress(ResourceAlreadyExists):  # then it gets one more version
        add_model(workspace, model_key(name), owner)
    pending = versions.add_version(find_model(workspace, name), owner)
    pending.source = f"models:/{pending.registered_model.full_name}/{pending.version}"  # its files have no other origin
    pending.save(update_fields=["source"])
    return str(versions.register_copy(pending, directory, owner).version)


def _ready(workspace_id: str, name: str, version: str) -> VersionRow:
    row = versions.find_version(find_model(Workspace(id=workspace_id), name), version)
    if row.status != versions.Status.READY:
        raise InvalidState(f"Version {version} of model '{name}' is {row.status}. Only READY versions can be loaded and served.")
    return row


def _model(model: Securable, rows: list[VersionRow]) -> RegisteredModel:
    named = {alias.alias: str(alias.version) for alias in model.aliases.all()}
    return RegisteredModel(
        name=model.full_name,
        description=model.comment,
        updated_ms=int(model.updated_at.timestamp() * 1000),
        aliases=named,
        versions=tuple(
            _version(row, model.full_name, tuple(sorted(a for a, number in named.items() if number == str(row.version))))
            for row in rows
        ),
    )


def _version(row: VersionRow, name: str, named: tuple[str, ...]) -> ModelVersion:
    return ModelVersion(
        name=name,
        version=str(row.version),
        status=row.status,
        source=row.source,
        run_id=row.run_id,
        model_id=row.model_id,
        created_ms=int(row.created_at.timestamp() * 1000),
        aliases=named,
    )
