"""The registry as the site sees it: a synchronous REST client of the MLflow server on its UNIX socket."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from django.conf import settings

from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.registry.artifact_paths import path_of_uri
from sandbox.registry.mlflow_http import MlflowHttp
from sandbox.registry.mlmodel import ModelDescription, describe_mlmodel, with_model_id
from sandbox.registry.model_files import fetch_tree, read_small_file

DEFAULT_EXPERIMENT = "Default"
API = "/api/2.0/mlflow"
CLIENT_VERSION = "3.17.2"
"""The client that learners are told to install: the server's own version (a test compares the two)."""
PAGE_SIZE = 100
VERSIONS_PAGE_SIZE = 1000
_WORKSPACE_ID = re.compile(r"[a-z0-9]{1,60}")
_VERSION = re.compile(r"[0-9]{1,9}")


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
    """A registered model and its versions, newest first. `aliases` maps alias to version."""

    name: str
    description: str
    updated_ms: int
    aliases: dict[str, str] = field(default_factory=dict)
    versions: tuple[ModelVersion, ...] = ()


def mlflow_workspace(workspace_id: str) -> str:
    """MLflow's name of a workspace of ours."""
    if not _WORKSPACE_ID.fullmatch(workspace_id):
        raise InvalidParameterValue(f"{workspace_id[:80]!r} is not a workspace id.")
    return f"ws-{workspace_id}"


class MlflowStore:
    """A client of one MLflow server. Thread-safe; every method speaks for one workspace of ours."""

    def __init__(self, socket: Path) -> None:
        self._http = MlflowHttp(socket)
        self._default_experiments: dict[str, str] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the server answers; never raises."""
        return self._http.is_ready()

    # --- workspaces -----------------------------------------------------------------------------

    def ensure_workspace(self, workspace_id: str) -> str:
        """Make the workspace known to MLflow (once) and return the id of its default experiment."""
        known = self._default_experiments.get(workspace_id)
        if known:
            return known
        with self._lock:
            self._http.create_unless_exists(None, "/api/3.0/mlflow/workspaces", {"name": mlflow_workspace(workspace_id)})
            experiment_id = self._default_experiment(workspace_id)
            self._default_experiments[workspace_id] = experiment_id
        return experiment_id

    def forget_workspace(self, workspace_id: str) -> None:
        """Ask MLflow anew next time (its database may have been replaced)."""
        self._default_experiments.pop(workspace_id, None)

    def _default_experiment(self, workspace_id: str) -> str:
        self._http.create_unless_exists(mlflow_workspace(workspace_id), API + "/experiments/create", {"name": DEFAULT_EXPERIMENT})
        found = self._call(workspace_id, "GET", API + "/experiments/get-by-name", params={"experiment_name": DEFAULT_EXPERIMENT})
        return str(found["experiment"]["experiment_id"])

    def _call(
        self,
        workspace_id: str,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return self._http.call(mlflow_workspace(workspace_id), method, path, params=params, body=body)

    # --- registered models ----------------------------------------------------------------------

    def list_models(self, workspace_id: str, limit: int = PAGE_SIZE) -> list[RegisteredModel]:
        """The workspace's registered models by name, at most `limit`, each with its versions."""
        self.ensure_workspace(workspace_id)
        search = {"max_results": limit, "order_by": "name ASC"}
        found = self._call(workspace_id, "GET", API + "/registered-models/search", params=search)
        models = found.get("registered_models", [])
        versions = self._versions_by_model(workspace_id) if models else {}
        return [_model(raw, versions.get(raw["name"], [])) for raw in models]

    def _versions_by_model(self, workspace_id: str) -> dict[str, list[dict[str, Any]]]:
        """The newest versions of the workspace, at most a page of them, newest first, by model name."""
        search = {"max_results": VERSIONS_PAGE_SIZE, "order_by": "creation_timestamp DESC"}
        found = self._call(workspace_id, "GET", API + "/model-versions/search", params=search)
        by_model: dict[str, list[dict[str, Any]]] = {}
        for raw in found.get("model_versions", []):
            by_model.setdefault(raw["name"], []).append(raw)
        return by_model

    def get_version(self, workspace_id: str, name: str, version: str) -> ModelVersion:
        """One version.

        Raises:
            ResourceDoesNotExist: this workspace has no such model or version.
        """
        self.ensure_workspace(workspace_id)
        if not _VERSION.fullmatch(version):
            raise ResourceDoesNotExist(f"Model version {version!r} of {name!r} does not exist. Versions are numbers such as '1'.")
        found = self._call(workspace_id, "GET", API + "/model-versions/get", params={"name": name, "version": version})
        raw = found["model_version"]
        return _version(raw, tuple(sorted(raw.get("aliases", []))))

    def resolve_alias(self, workspace_id: str, name: str, alias: str) -> str:
        """The version an alias points at, tried as written and then without regard to case.

        Raises:
            ResourceDoesNotExist: there is no such model or alias.
        """
        self.ensure_workspace(workspace_id)
        found = self._call(workspace_id, "GET", API + "/registered-models/get", params={"name": name})
        aliases = {e["alias"]: str(e["version"]) for e in found["registered_model"].get("aliases", [])}
        by_lower_case = {a.lower(): v for a, v in aliases.items()}
        version = aliases.get(alias) or by_lower_case.get(alias.lower())
        if version is None:
            known = ", ".join(sorted(aliases)) or "none"
            raise ResourceDoesNotExist(f"Registered model {name!r} has no alias {alias!r} (it has: {known}).")
        return version

    def set_alias(self, workspace_id: str, name: str, alias: str, version: str) -> None:
        """Point an alias of a registered model at a version."""
        self._call(
            workspace_id,
            "POST",
            API + "/registered-models/alias",
            body={"name": name, "alias": alias, "version": version},
        )

    # --- model files ------------------------------------------------------------------------------

    def describe(self, workspace_id: str, version: ModelVersion) -> ModelDescription:
        """Flavour and signature of a version, from its MLmodel file.

        Raises:
            InvalidState: the version has no readable MLmodel file.
        """
        path = f"{self._model_path(workspace_id, version)}/MLmodel"
        return describe_mlmodel(read_small_file(self._http, mlflow_workspace(workspace_id), path))

    def serving_input_example(self, workspace_id: str, version: ModelVersion) -> bytes:
        """The request body (JSON) that MLflow keeps with a model logged with an input example; raises when there is none."""
        path = f"{self._model_path(workspace_id, version)}/serving_input_example.json"
        return read_small_file(self._http, mlflow_workspace(workspace_id), path)

    def fetch_artifacts(self, workspace_id: str, version: ModelVersion, into: Path) -> None:
        """Download the version's model directory (MLmodel and the files beside it) into an empty directory.

        Raises:
            InvalidState: the directory is empty, or has more than 500 files or 512 MiB.
        """
        fetch_tree(self._http, mlflow_workspace(workspace_id), self._model_path(workspace_id, version), into)

    def _model_path(self, workspace_id: str, version: ModelVersion) -> str:
        """Where the files of a version lie below the artifact root."""
        found = self._call(
            workspace_id,
            "GET",
            API + "/model-versions/get-download-uri",
            params={"name": version.name, "version": version.version},
        )
        uri = str(found["artifact_uri"])
        if uri.startswith("models:/"):
            uri = self._logged_model_uri(workspace_id, uri.removeprefix("models:/"))
        elif uri.startswith("runs:/"):
            uri = self._run_uri(workspace_id, uri.removeprefix("runs:/"))
        return path_of_uri(mlflow_workspace(workspace_id), uri)

    def _logged_model_uri(self, workspace_id: str, model_id: str) -> str:
        found = self._call(workspace_id, "GET", f"{API}/logged-models/{quote(model_id, safe='')}")
        return str(found["model"]["info"]["artifact_uri"])

    def _run_uri(self, workspace_id: str, run_and_path: str) -> str:
        run_id, _, path = run_and_path.partition("/")
        found = self._call(workspace_id, "GET", API + "/runs/get", params={"run_id": run_id})
        return f"{found['run']['info']['artifact_uri']}/{path}"

    # --- registering files that lie on disk -------------------------------------------------------

    def register_directory(self, workspace_id: str, name: str, directory: Path) -> str:
        """Log a saved MLflow model directory as a logged model and register it; returns the new version.

        Nothing is imported or unpickled: the files are uploaded as they are, only MLmodel gets the new model id.
        """
        experiment_id = self.ensure_workspace(workspace_id)
        created = self._call(
            workspace_id,
            "POST",
            API + "/logged-models",
            body={"experiment_id": experiment_id, "name": name.rsplit(".", 1)[-1]},
        )
        model_id = str(created["model"]["info"]["model_id"])
        root = path_of_uri(mlflow_workspace(workspace_id), str(created["model"]["info"]["artifact_uri"]))
        for file in sorted(p for p in directory.rglob("*") if p.is_file()):
            content = with_model_id(file.read_bytes(), model_id) if file.name == "MLmodel" else file.read_bytes()
            self._http.upload(mlflow_workspace(workspace_id), f"{root}/{file.relative_to(directory).as_posix()}", content)
        ready = {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
        self._call(workspace_id, "PATCH", f"{API}/logged-models/{model_id}", body=ready)
        return self._register(workspace_id, name, model_id)

    def _register(self, workspace_id: str, name: str, model_id: str) -> str:
        self._http.create_unless_exists(mlflow_workspace(workspace_id), API + "/registered-models/create", {"name": name})
        created = self._call(
            workspace_id,
            "POST",
            API + "/model-versions/create",
            body={"name": name, "source": f"models:/{model_id}", "model_id": model_id},
        )
        return str(created["model_version"]["version"])


def _version(raw: dict[str, Any], aliases: tuple[str, ...]) -> ModelVersion:
    return ModelVersion(
        name=raw["name"],
        version=str(raw["version"]),
        status=raw.get("status", "READY"),
        source=raw.get("source", ""),
        run_id=raw.get("run_id", ""),
        model_id=raw.get("model_id", ""),
        created_ms=int(raw.get("creation_timestamp", 0)),
        aliases=aliases,
    )


def _model(raw: dict[str, Any], versions: list[dict[str, Any]]) -> RegisteredModel:
    aliases = {entry["alias"]: str(entry["version"]) for entry in raw.get("aliases", [])}
    newest_first = sorted(versions, key=lambda v: int(v["version"]), reverse=True)
    return RegisteredModel(
        name=raw["name"],
        description=raw.get("description", ""),
        updated_ms=int(raw.get("last_updated_timestamp", 0)),
        aliases=aliases,
        versions=tuple(
            _version(v, tuple(sorted(a for a, number in aliases.items() if number == str(v["version"])))) for v in newest_first
        ),
    )


@cache
def store_on(socket: Path) -> MlflowStore:
    return MlflowStore(socket)


def store() -> MlflowStore:
    """The site's registry."""
    return store_on(settings.MLFLOW_SOCKET)


def ensure_workspace(workspace_id: str) -> str:
    """See `MlflowStore.ensure_workspace`."""
    return store().ensure_workspace(workspace_id)


def list_models(workspace_id: str) -> list[RegisteredModel]:
    """See `MlflowStore.list_models`."""
    return store().list_models(workspace_id)


def get_version(workspace_id: str, name: str, version: str) -> ModelVersion:
    """See `MlflowStore.get_version`."""
    return store().get_version(workspace_id, name, version)


def resolve_alias(workspace_id: str, name: str, alias: str) -> str:
    """See `MlflowStore.resolve_alias`."""
    return store().resolve_alias(workspace_id, name, alias)


def set_alias(workspace_id: str, name: str, alias: str, version: str) -> None:
    """See `MlflowStore.set_alias`."""
    store().set_alias(workspace_id, name, alias, version)


def serving_input_example(workspace_id: str, model_version: ModelVersion) -> bytes:
    """See `MlflowStore.serving_input_example`."""
    return store().serving_input_example(workspace_id, model_version)


def describe(workspace_id: str, model_version: ModelVersion) -> ModelDescription:
    """See `MlflowStore.describe`."""
    return store().describe(workspace_id, model_version)


def fetch_artifacts(workspace_id: str, model_version: ModelVersion, into: Path) -> None:
    """See `MlflowStore.fetch_artifacts`."""
    store().fetch_artifacts(workspace_id, model_version, into)


def register_directory(workspace_id: str, name: str, directory: Path) -> str:
    """See `MlflowStore.register_directory`."""
    return store().register_directory(workspace_id, name, directory)
