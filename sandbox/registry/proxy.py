"""The only way to the MLflow server: an ASGI application that knows the caller and his workspace."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx
import orjson
from django.conf import settings

from sandbox.asgi_io import (
    Headers,
    Receive,
    Scope,
    Send,
    query_of,
    read_json,
    send_bytes,
    send_error,
    send_json,
)
from sandbox.errors import ApiError, BadRequest, EndpointNotFound, PermissionDenied, TemporarilyUnavailable, Unauthenticated
from sandbox.files import signed_urls
from sandbox.files.places import Who
from sandbox.files.receiving import receive_file
from sandbox.files.tree import Place
from sandbox.live import LiveToken
from sandbox.registry import credentials, mlflow_store, version_downloads
from sandbox.registry.artifact_paths import scoped_path
from sandbox.registry.artifact_uris import as_dbfs, is_databricks_client
from sandbox.registry.body_rules import checked_body, checked_query
from sandbox.registry.mlflow_http import STARTING, WORKSPACE_HEADER, file_error
from sandbox.registry.routes import ARTIFACTS, NEWER, Kind, Route, find_page_route, find_route

Authenticate = Callable[[bytes], Awaitable[LiveToken | None]]
Answer = Callable[[httpx.Response, Send], Awaitable[None]]

_TIMEOUT = httpx.Timeout(120.0, connect=5.0)
_MAX_CONNECTIONS = 64
_PASSED_RESPONSE_HEADERS = frozenset({b"content-type", b"content-length", b"content-disposition", b"x-content-type-options"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forwarded:
    """A request as the MLflow server gets it."""

    method: str
    url: str
    content: bytes | None
    headers: dict[str, str]


class RegistryProxy:
    """ASGI application for `routes.PREFIXES`.

    Args:
        authenticate: the value of the Authorization header (empty when absent) → whose token it is, None when it is nobody's.
        socket: the MLflow server's UNIX socket; the setting when left out.
    """

    def __init__(self, authenticate: Authenticate, socket: Path | None = None) -> None:
        self._authenticate = authenticate
        self._socket = socket or settings.MLFLOW_SOCKET
        self.store = mlflow_store.store_on(self._socket)
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            token = await self._authenticate(dict(scope["headers"]).get(b"authorization", b""))
            if token is None:
                raise Unauthenticated(
                    "The registry needs a valid personal access token. Set MLFLOW_TRACKING_TOKEN to one from the page Tokens."
                )
            await self.answer(Who(token.workspace_id, token.user_id), scope, receive, send)
        except ApiError as error:
            await send_error(send, error)

    async def aclose(self) -> None:
        """Give the connections to the MLflow server back."""
        if self._client is not None:
            await self._client.aclose()

    async def answer(self, who: Who, scope: Scope, receive: Receive, send: Send, *, is_page: bool = False) -> None:
        """Answer a call of somebody who is known, in her workspace. Raises ApiError before anything was sent.

        Args:
            is_page: the call comes from MLflow's own pages, which make a few more.
        """
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        if credentials.answers(method, path):
            await self._sign(who, scope, receive, send)
            return
        route = find_route(method, path) or (find_page_route(method, path) if is_page else None)
        if route is None:
            raise _refused(method, path)
        if route.kind is Kind.SERVER_INFO:
            await send_json(send, 200, SERVER_INFO)
            return
        if route.kind is not Kind.JSON and await _send_of_version(who, scope, send, route):
            return
        if route.kind is Kind.ARTIFACT and method == "PUT":
            await _store_artifact(who, headers, receive, route)
            await send_json(send, 200, {})
            return
        experiment_id = await asyncio.to_thread(self.store.ensure_workspace, who.workspace_id)
        workspace = mlflow_store.mlflow_workspace(who.workspace_id)
        if route.kind is Kind.JSON:
            forwarded = await _forward_json(scope, headers, receive, workspace, experiment_id, is_page=is_page)
        else:
            forwarded = _forward_artifact(scope, workspace, route)
        await self.send_on(forwarded, send, _answer_of(route, who.workspace_id, headers))

    async def _sign(self, who: Who, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_json(dict(scope["headers"]), receive)
        base = signed_urls.base_of(scope)
        query = dict(query_of(scope))
        await send_json(send, 200, await credentials.answer(self.store, who, base, scope["method"], scope["path"], body, query))

    async def send_on(self, request: Forwarded, send: Send, answer: Answer | None = None) -> None:
        """Send the request on and pass the answer back by `answer`, streaming unless it says otherwise."""
        if self._client is None:
            self._client = _client(self._socket)
        built = self._client.build_request(request.method, request.url, content=request.content, headers=request.headers)
        try:
            response = await self._client.send(built, stream=True)
        except httpx.TransportError as error:
            raise TemporarilyUnavailable(STARTING) from error
        try:
            await (answer or _stream_answer)(response, send)
        finally:
            await response.aclose()


SERVER_INFO = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "trace_archival_enabled": False,
    "multipart_uploads_enabled": False,
    "multipart_downloads_enabled": False,
    "presigned_upload_run_id_supported": False,
    "presigned_upload_model_id_supported": False,
    "features_enabled": {"gateway": False},
}
"""What clients ask before they use an optional feature: the workspace is the token's, files go through the site."""


def _client(socket: Path) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS // 2)
    transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
    return httpx.AsyncClient(transport=transport, base_url="http://mlflow", timeout=_TIMEOUT, trust_env=False)


def _refused(method: str, path: str) -> ApiError:
    if path.startswith(NEWER):
        return EndpointNotFound(f"{path[:200]} is not offered by this registry, which has the APIs 2.0 and 3.0 of MLflow.")
    return PermissionDenied(
        f"{method} {path[:200]} is not offered by this registry. It has experiments, runs, logged models, registered models, "
        "their versions and aliases, artifacts and traces; webhooks, gateways, jobs and workspaces are not part of it."
    )


async def _send_of_version(who: Who, scope: Scope, send: Send, route: Route) -> bool:
    """Answer for files of registered versions, which the MLflow server does not have; whether the path is one of them."""
    is_list = route.kind is Kind.ARTIFACT_LIST
    asked = dict(query_of(scope)).get("path", "") if is_list else route.artifact_path
    path = scoped_path(mlflow_store.mlflow_workspace(who.workspace_id), asked)
    if not version_downloads.is_of_a_version(who.workspace_id, path):
        return False
    if is_list:
        await version_downloads.send_version_list(send, who, path)
    else:
        await version_downloads.send_version_file(send, scope["method"], dict(scope["headers"]), who, path)
    return True


# --- requests -----------------------------------------------------------------------------------


async def _forward_json(
    scope: Scope, headers: Headers, receive: Receive, workspace: str, experiment_id: str, *, is_page: bool
) -> Forwarded:
    """A call of the REST API: its body is read, checked and written anew, so that both sides read the same."""
    query = checked_query(query_of(scope), experiment_id)
    path = quote(scope["path"])
    url = ("/ajax-" + path.lstrip("/") if is_page else path) + (f"?{urlencode(query)}" if query else "")
    forwarded_headers = {WORKSPACE_HEADER: workspace, "Accept-Encoding": "identity"}
    if scope["method"] == "GET":
        return Forwarded("GET", url, None, forwarded_headers)
    body = await read_json(headers, receive)
    content = orjson.dumps(checked_body(scope["path"], body, experiment_id))
    return Forwarded(scope["method"], url, content, forwarded_headers | {"Content-Type": "application/json"})


async def _store_artifact(who: Who, headers: Headers, receive: Receive, route: Route) -> None:
    """Keep an artifact where the MLflow server looks for it: staged and renamed, as the server itself would not."""
    below = _scoped_file(mlflow_store.mlflow_workspace(who.workspace_id), route.artifact_path).split("/")
    root: Path = settings.MLFLOW_DIR.joinpath("artifacts", *below[:2])
    async with receive_file(who.workspace_id, headers, receive) as staged:
        await asyncio.to_thread(root.mkdir, parents=True, exist_ok=True, mode=0o700)
        place = Place(root, tuple(below[2:]), "/" + route.artifact_path, who.workspace_id)
        await asyncio.to_thread(staged.commit, place, overwrite=True)


def _forward_artifact(scope: Scope, workspace: str, route: Route) -> Forwarded:
    """Reading or deleting a file, or a folder's list; every path ends up below the workspace's own folder."""
    forwarded_headers = {WORKSPACE_HEADER: workspace, "Accept-Encoding": "identity"}
    if route.kind is Kind.ARTIFACT_LIST:
        path = scoped_path(workspace, dict(query_of(scope)).get("path", ""))
        return Forwarded("GET", f"{ARTIFACTS}?{urlencode({'path': path})}", None, forwarded_headers)
    url = f"{ARTIFACTS}/{quote(_scoped_file(workspace, route.artifact_path))}"
    return Forwarded(scope["method"], url, None, forwarded_headers)


def _scoped_file(workspace: str, path: str) -> str:
    if path.endswith("/") or not path:
        raise BadRequest("The artifact path names a folder. Name a file, for example 'model/MLmodel'.")
    return scoped_path(workspace, path)


# --- answers ------------------------------------------------------------------------------------


def _answer_of(route: Route, workspace_id: str, headers: Headers) -> Answer:
    if route.kind is not Kind.JSON:
        return _file_answer(mlflow_store.mlflow_workspace(workspace_id))
    return _databricks_answer(workspace_id) if is_databricks_client(headers.get(b"user-agent", b"")) else _stream_answer


def _file_answer(mlflow_workspace: str) -> Answer:
    """What is refused about files gets an error code, which MLflow leaves out there, and loses the workspace's own folder."""

    async def answer(response: httpx.Response, send: Send) -> None:
        if response.is_error:
            raise file_error(response.status_code, await response.aread(), mlflow_workspace)
        await _stream_answer(response, send)

    return answer


def _databricks_answer(workspace_id: str) -> Answer:
    """For clients of the `databricks` tracking URI: artifact addresses that they know, and the workspace's id."""

    async def answer(response: httpx.Response, send: Send) -> None:
        content = as_dbfs(mlflow_store.mlflow_workspace(workspace_id), await response.aread())
        content_type = response.headers.get("content-type", "application/json").encode()
        headers = ((b"content-type", content_type), (b"x-databricks-org-id", workspace_id.encode()))
        await send_bytes(send, response.status_code, content, headers)

    return answer


async def _stream_answer(response: httpx.Response, send: Send) -> None:
    headers = [(k.lower(), v) for k, v in response.headers.raw if k.lower() in _PASSED_RESPONSE_HEADERS]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    try:
        async for piece in response.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except httpx.TransportError:
        # the status has gone out: only a cut connection can still tell the client
        log.warning("the MLflow server broke off an answer")
        raise
    await send({"type": "http.response.body", "body": b"", "more_body": False})
