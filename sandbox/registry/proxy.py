"""The only way to the MLflow server: an ASGI application that knows the caller and his workspace."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import orjson
from django.conf import settings

from sandbox.errors import (
    ApiError,
    BadRequest,
    PermissionDenied,
    RequestTimeout,
    RequestTooLarge,
    TemporarilyUnavailable,
    Unauthenticated,
)
from sandbox.live import LiveToken
from sandbox.registry import mlflow_store
from sandbox.registry.artifact_paths import scoped_path
from sandbox.registry.body_rules import checked_body, checked_query
from sandbox.registry.mlflow_http import STARTING, WORKSPACE_HEADER
from sandbox.registry.routes import ARTIFACTS, Kind, Route, find_route

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Authenticate = Callable[[bytes], Awaitable[LiveToken | None]]

JSON_BODY_LIMIT_BYTES = 4 * 1024 * 1024
BODY_PIECE_TIMEOUT_S = 30.0
"""How long the next piece of a request's body may take."""
_TIMEOUT = httpx.Timeout(120.0, connect=5.0)
_MAX_CONNECTIONS = 64
_PASSED_RESPONSE_HEADERS = frozenset({b"content-type", b"content-length", b"content-disposition", b"x-content-type-options"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forwarded:
    """A request as the MLflow server gets it."""

    method: str
    url: str
    content: bytes | AsyncIterator[bytes] | None
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
        self._store = mlflow_store.store_on(self._socket)
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except ApiError as error:
            await _send_error(send, error)

    async def aclose(self) -> None:
        """Give the connections to the MLflow server back."""
        if self._client is not None:
            await self._client.aclose()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        token = await self._authenticate(headers.get(b"authorization", b""))
        if token is None:
            raise Unauthenticated(
                "The registry needs a valid personal access token. Set MLFLOW_TRACKING_TOKEN to one from the page Tokens."
            )
        route = find_route(scope["method"], scope["path"])
        if route is None:
            raise _refused(scope["method"], scope["path"])
        if route.kind is Kind.SERVER_INFO:
            await _send_json(send, 200, SERVER_INFO)
            return
        experiment_id = await asyncio.to_thread(self._store.ensure_workspace, token.workspace_id)
        workspace = mlflow_store.mlflow_workspace(token.workspace_id)
        if route.kind is Kind.JSON:
            forwarded = await _forward_json(scope, headers, receive, workspace, experiment_id)
        else:
            forwarded = _forward_artifact(scope, headers, receive, workspace, route)
        await self._pass(forwarded, send)

    async def _pass(self, request: Forwarded, send: Send) -> None:
        """Send the request on and stream the answer back."""
        if self._client is None:
            self._client = _client(self._socket)
        built = self._client.build_request(request.method, request.url, content=request.content, headers=request.headers)
        try:
            response = await self._client.send(built, stream=True)
        except httpx.TransportError as error:
            raise TemporarilyUnavailable(STARTING) from error
        try:
            await _stream_answer(response, send)
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
    return PermissionDenied(
        f"{method} {path[:200]} is not offered by this registry. It has experiments, runs, logged models, registered models, "
        "their versions and aliases, artifacts and traces; webhooks, gateways, jobs and workspaces are not part of it."
    )


# --- requests -----------------------------------------------------------------------------------


async def _forward_json(
    scope: Scope, headers: dict[bytes, bytes], receive: Receive, workspace: str, experiment_id: str
) -> Forwarded:
    """A call of the REST API: its body is read, checked and written anew, so that both sides read the same."""
    query = checked_query(_query(scope), experiment_id)
    url = quote(scope["path"]) + (f"?{urlencode(query)}" if query else "")
    forwarded_headers = {WORKSPACE_HEADER: workspace, "Accept-Encoding": "identity"}
    if scope["method"] == "GET":
        return Forwarded("GET", url, None, forwarded_headers)
    body = _json_object(await _read_all(headers, receive))
    content = orjson.dumps(checked_body(scope["path"], body, experiment_id))
    return Forwarded(scope["method"], url, content, forwarded_headers | {"Content-Type": "application/json"})


def _forward_artifact(scope: Scope, headers: dict[bytes, bytes], receive: Receive, workspace: str, route: Route) -> Forwarded:
    """A file or a folder's list; every path ends up below the workspace's own folder."""
    forwarded_headers = {WORKSPACE_HEADER: workspace, "Accept-Encoding": "identity"}
    if route.kind is Kind.ARTIFACT_LIST:
        path = scoped_path(workspace, dict(_query(scope)).get("path", ""))
        return Forwarded("GET", f"{ARTIFACTS}?{urlencode({'path': path})}", None, forwarded_headers)
    url = f"{ARTIFACTS}/{quote(_scoped_file(workspace, route.artifact_path))}"
    if scope["method"] != "PUT":
        return Forwarded(scope["method"], url, None, forwarded_headers)
    length = _declared_length(headers, settings.ARTIFACT_BODY_LIMIT_BYTES)
    if length is not None:
        forwarded_headers["Content-Length"] = str(length)
    return Forwarded("PUT", url, _capped_body(receive, settings.ARTIFACT_BODY_LIMIT_BYTES), forwarded_headers)


def _scoped_file(workspace: str, path: str) -> str:
    if path.endswith("/") or not path:
        raise BadRequest("The artifact path names a folder. Name a file, for example 'model/MLmodel'.")
    return scoped_path(workspace, path)


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=200)


def _json_object(content: bytes) -> dict[str, Any]:
    if not content:
        return {}
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest(f"The body must be a JSON object, not {type(body).__name__}.")
    return body


def _declared_length(headers: dict[bytes, bytes], limit: int) -> int | None:
    """Content-Length, refused at once when it is over the limit; None for a chunked body."""
    value = headers.get(b"content-length")
    if value is None:
        return None
    if not value.isdigit():
        raise BadRequest("Content-Length is not a number.")
    if int(value) > limit:
        raise _too_large(limit)
    return int(value)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {limit} bytes, the limit of this call.")


async def _read_all(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise BadRequest("Compressed bodies are not read here. Send the JSON uncompressed.")
    _declared_length(headers, JSON_BODY_LIMIT_BYTES)
    return b"".join([piece async for piece in _capped_body(receive, JSON_BODY_LIMIT_BYTES)])


async def _capped_body(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The request's body in pieces; ends with an error when it is too large, too slow or cut off."""
    received = 0
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), BODY_PIECE_TIMEOUT_S)
        except TimeoutError:
            raise RequestTimeout(f"The body did not arrive: nothing came for {BODY_PIECE_TIMEOUT_S:.0f} s.") from None
        if message["type"] == "http.disconnect":
            raise BadRequest("The connection was closed before the whole body had arrived.")
        piece = message.get("body", b"")
        received += len(piece)
        if received > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
        if piece:
            yield piece


# --- answers ------------------------------------------------------------------------------------


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


async def _send_json(send: Send, status: int, body: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    content = orjson.dumps(body)
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": content})


async def _send_error(send: Send, error: ApiError) -> None:
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if error.status == 401:
        extra = ((b"www-authenticate", b"Bearer"),)
    elif error.status == 503:
        extra = ((b"retry-after", b"2"),)
    elif error.status in {408, 413}:
        extra = ((b"connection", b"close"),)  # the rest of the body is not worth reading
    await _send_json(send, error.status, error.body(), extra)
