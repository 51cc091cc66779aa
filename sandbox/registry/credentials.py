"""What MLflow asks for when it does not use the Files API itself: signed addresses of artifacts.

[mlflow 3.17: DatabricksMlflowArtifactsService, store/artifact/databricks_artifact_repo_resources.py]
"""

import asyncio
import re
from typing import Any

from sandbox.errors import InvalidParameterValue
from sandbox.files import signed_urls
from sandbox.files.places import Who, locate
from sandbox.files.signed_urls import Signed
from sandbox.registry.mlflow_store import MlflowStore
from sandbox.registry.routes import V2

MAX_PATHS = 2_000
"""The client asks for so many at once."""
_ID = r"([A-Za-z0-9_-]{1,64})"
_CALLS = (
    ("POST", re.compile(r"artifacts/credentials-for-(read|write)"), "run"),
    ("POST", re.compile(rf"logged-models/{_ID}/artifacts/credentials-for-(download|upload)"), "logged_model"),
    ("GET", re.compile(rf"traces/{_ID}/credentials-for-data-(download|upload)"), "trace"),
)
_KINDS = {"run": "Runs", "logged_model": "LoggedModels", "trace": "Traces"}
_READING = {"read", "download"}


def answers(method: str, path: str) -> bool:
    """Whether a call asks for credentials."""
    return _match(method, path) is not None


async def answer(
    store: MlflowStore, who: Who, base: str, method: str, path: str, body: dict[str, Any], query: dict[str, str]
) -> dict[str, Any]:
    """Signed addresses for the artifacts that the call names.

    Args:
        base: scheme and host as the client reached us.

    Raises:
        ResourceDoesNotExist: the workspace has no such run, logged model or trace.
        InvalidParameterValue: a path is malformed.
    """
    matched = _match(method, path)
    assert matched is not None
    kind, found = matched
    signing_method = "GET" if found[found.re.groups] in _READING else "PUT"
    if kind == "run":
        run_id = str(body.get("run_id", ""))
        signer = _Signer(store, who, base, kind, run_id, signing_method)
        return {"credential_infos": [{"run_id": run_id} | await signer.credential(each) for each in _paths(body.get("path"))]}
    signer = _Signer(store, who, base, kind, found[1], signing_method)
    if kind == "logged_model":
        paths = _paths(body.get("paths"))
        return {"credentials": [{"model_id": found[1], "credential_info": await signer.credential(each)} for each in paths]}
    return {"credential_info": await signer.credential(query.get("path") or "traces.json")}


class _Signer:
    """Signs addresses of one run's, logged model's or trace's artifacts."""

    def __init__(self, store: MlflowStore, who: Who, base: str, kind: str, id_: str, method: str) -> None:
        self._store, self._who, self._base = store, who, base
        self._kind, self._id, self._method = kind, id_, method
        self._experiment_id = ""

    async def credential(self, path: str) -> dict[str, Any]:
        if not self._experiment_id:
            below = await asyncio.to_thread(self._store.artifact_path, self._who.workspace_id, self._kind, self._id)
            self._experiment_id = below.split("/")[2]
        full = f"/WorkspaceInternal/Mlflow/Artifacts/{self._experiment_id}/{_KINDS[self._kind]}/{self._id}/artifacts/{path}"
        await locate(self._who, full, writing=False)
        signed = Signed(self._who.workspace_id, self._who.user_id, self._method, full, signed_urls.expiry(None))
        uri = signed_urls.sign(signed, self._base)
        return {"path": path, "type": "AWS_PRESIGNED_URL", "signed_uri": uri, "headers": []}


def _match(method: str, path: str) -> tuple[str, re.Match[str]] | None:
    for wanted, pattern, kind in _CALLS:
        found = pattern.fullmatch(path.removeprefix(V2)) if method == wanted and path.startswith(V2) else None
        if found is not None:
            return kind, found
    return None


def _paths(value: Any) -> list[str]:
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise InvalidParameterValue("path must be a list of paths such as ['model/MLmodel'].")
    if len(paths) > MAX_PATHS:
        raise InvalidParameterValue(f"{len(paths)} paths are more than the {MAX_PATHS} of one call.")
    return paths
