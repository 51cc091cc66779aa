"""The MLflow server as the site sees it: experiments, runs and logged models; registered models are Django's (`store`)."""

import re
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from django.conf import settings

from sandbox.errors import InvalidParameterValue
from sandbox.registry.artifact_paths import path_of_uri
from sandbox.registry.mlflow_http import MlflowHttp

DEFAULT_EXPERIMENT = "Default"
API = "/api/2.0/mlflow"
CLIENT_VERSION = "3.17.2"
"""The client that learners are told to install: the server's own version (a test compares the two)."""
_WORKSPACE_ID = re.compile(r"[a-z0-9]{1,60}")


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

    # --- artifacts of runs, logged models and traces ----------------------------------------------

    def logged_model(self, workspace_id: str, model_id: str) -> dict[str, Any]:
        """What MLflow knows of a logged model: artifact_uri, source_run_id and more. Raises ResourceDoesNotExist."""
        self.ensure_workspace(workspace_id)
        found: dict[str, Any] = self._call(workspace_id, "GET", f"{API}/logged-models/{quote(model_id, safe='')}")["model"][
            "info"
        ]
        return found

    def _run_uri(self, workspace_id: str, run_and_path: str) -> str:
        run_id, _, path = run_and_path.partition("/")
        found = self._call(workspace_id, "GET", API + "/runs/get", params={"run_id": run_id})
        return f"{found['run']['info']['artifact_uri']}/{path}"

    def artifact_path(self, workspace_id: str, kind: str, id_: str) -> str:
        """Where the artifacts of a `run`, `logged_model` or `trace` of the workspace lie, below the artifact root.

        Raises ResourceDoesNotExist and what else the MLflow server answers.
        """
        self.ensure_workspace(workspace_id)
        quoted = quote(id_, safe="")
        if kind == "run":
            uri = self._run_uri(workspace_id, id_).rstrip("/")
        elif kind == "logged_model":
            uri = str(self.logged_model(workspace_id, id_)["artifact_uri"])
        else:
            found = self._call(workspace_id, "GET", f"/api/3.0/mlflow/traces/{quoted}")
            uri = str(found["trace"]["trace_info"].get("tags", {}).get("mlflow.artifactLocation", ""))
        return path_of_uri(mlflow_workspace(workspace_id), uri)

    def run_inputs(self, workspace_id: str, run_id: str) -> list[dict[str, Any]]:
        """The data sets that were logged as inputs of a run: {dataset: {name, source_type, source}, tags}."""
        found = self._call(workspace_id, "GET", API + "/runs/get", params={"run_id": run_id})
        inputs: list[dict[str, Any]] = found["run"].get("inputs", {}).get("dataset_inputs", [])
        return inputs


@cache
def store_on(socket: Path) -> MlflowStore:
    return MlflowStore(socket)


def store() -> MlflowStore:
    """The site's MLflow server."""
    return store_on(settings.MLFLOW_SOCKET)


def ensure_workspace(workspace_id: str) -> str:
    """See `MlflowStore.ensure_workspace`."""
    return store().ensure_workspace(workspace_id)
