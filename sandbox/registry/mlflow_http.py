"""HTTP to the MLflow server on its UNIX socket: one workspace at a time, errors as the site's own."""

from pathlib import Path
from typing import Any

import httpx
import orjson

from sandbox.errors import ApiError, ResourceDoesNotExist, TemporarilyUnavailable
from sandbox.registry.artifact_paths import workspace_folder

WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"
STARTING = "The model registry is starting or restarting. Try again in a few seconds."
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_FILE_CODES = {400: "INVALID_PARAMETER_VALUE", 404: "RESOURCE_DOES_NOT_EXIST", 422: "INVALID_PARAMETER_VALUE"}
"""For answers about files, which name no code."""


class MlflowError(ApiError):
    """An error that the MLflow server answered, with its own status and code."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code


class MlflowHttp:
    """A thread-safe client of one MLflow server. `workspace` is MLflow's name of the workspace, None for the server itself."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket), retries=1), base_url="http://mlflow", timeout=_TIMEOUT, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the server answers; never raises."""
        try:
            return self._socket.exists() and self._http.get("/health", timeout=2.0).status_code == 200
        except httpx.HTTPError:
            return False

    def call(
        self,
        workspace: str | None,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One call of the REST API; returns the answer's JSON object."""
        response = self._send(workspace, method, path, params=params, json=body)
        answer = response.json() if response.content else {}
        if not isinstance(answer, dict):
            raise TemporarilyUnavailable("The model registry answered something that is not a JSON object.")
        return answer

    def create_unless_exists(self, workspace: str | None, path: str, body: dict[str, Any]) -> None:
        """A create call whose object may be there already."""
        try:
            self.call(workspace, "POST", path, body=body)
        except MlflowError as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _send(self, workspace: str | None, method: str, path: str, **content: Any) -> httpx.Response:
        headers = {} if workspace is None else {WORKSPACE_HEADER: workspace}
        if not self._socket.exists():  # httpcore leaves its own socket open when there is nothing to connect to
            raise TemporarilyUnavailable(STARTING)
        try:
            response = self._http.request(method, path, headers=headers, **content)
        except httpx.TransportError as error:
            raise TemporarilyUnavailable(STARTING) from error
        raise_for_answer(response)
        return response


def raise_for_answer(response: httpx.Response) -> None:
    """Raise what an error answer of the MLflow server stands for."""
    if not response.is_error:
        return
    try:
        body = response.json()
    except ValueError:
        body = None
    facts = body if isinstance(body, dict) else {}
    message = str(facts.get("message") or f"The model registry answered {response.status_code}.")
    if facts.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
        raise ResourceDoesNotExist(message)
    raise MlflowError(response.status_code, str(facts.get("error_code", "INTERNAL_ERROR")), message)


def file_error(status: int, content: bytes, mlflow_workspace: str) -> ApiError:
    """The error of an answer about files: `{"detail": …}` of FastAPI, or MLflow's own `{"error_code": …, "message": …}`.

    The sentence names the path as the caller wrote it, which is below the workspace's folder.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    facts = body if isinstance(body, dict) else {}
    said = facts.get("message") or facts.get("detail")
    message = said if isinstance(said, str) else f"The model registry answered {status}."
    error_code = facts.get("error_code") or _FILE_CODES.get(status, "INTERNAL_ERROR")
    return MlflowError(status, str(error_code), message.replace(f"{workspace_folder(mlflow_workspace)}/", "", 1))
