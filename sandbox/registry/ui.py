"""MLflow's own pages for the workspace of the person who is signed in, below /sandbox/mlflow/.

The pages are those of the installed MLflow package. Their calls take the way of every client's calls, with the workspace of the
session instead of a token's; a write must come from this site's own pages.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlencode, urlsplit

import httpx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.shortcuts import resolve_url
from django.urls import reverse

from sandbox.asgi_io import Receive, Scope, Send, query_of, read_body, send_bytes, send_error, send_json
from sandbox.authentication import SIGNED_IN
from sandbox.errors import ApiError, EndpointNotFound, PermissionDenied, Unauthenticated
from sandbox.files.answers import send_file
from sandbox.files.places import Who, locate
from sandbox.registry.artifact_paths import checked_path
from sandbox.registry.mlflow_http import WORKSPACE_HEADER
from sandbox.registry.mlflow_store import mlflow_workspace
from sandbox.registry.proxy import Forwarded, RegistryProxy
from sandbox.registry.ui_session import who_is_signed_in

App = Callable[[Scope, Receive, Send], Awaitable[None]]

ROOT = "/sandbox/mlflow/"
LINKS = "/ml/"
"""Where MLflow's client says that a run can be seen (`/ml/experiments/1/runs/…`)."""
_AJAX = "ajax-api/"
_GATEWAY = _AJAX + "2.0/mlflow/gateway-proxy"
"""The table of runs shows an error unless a gateway answers, be it one without endpoints as that of MLflow's own server."""
_STATIC = "static-files/"
_GRAPHQL_LIMIT_BYTES = 1024 * 1024
_FILES = re.compile(
    r"get-artifact|ajax-api/[23]\.0/mlflow/get-trace-artifact|ajax-api/2\.0/mlflow/logged-models/[A-Za-z0-9_-]{1,64}/artifacts/files"
)
_REGISTRY = ("ajax-api/2.0/mlflow/registered-models/", "ajax-api/2.0/mlflow/model-versions/")
_SCRIPT, _STYLE = settings.STATIC_URL + "js/mlflow_page.js", settings.STATIC_URL + "css/mlflow_page.css"
_HARMLESS = ((b"content-security-policy", b"sandbox; default-src 'none'"), (b"x-content-type-options", b"nosniff"))
"""For what a learner stored: a browser that opens it runs nothing of it."""


class MlflowUi:
    """ASGI application for `ROOT` and `LINKS`.

    Args:
        proxy: what answers the calls of experiments, runs, traces and artifacts.
        registry: what answers `/api/2.0/mlflow/registered-models/…` and `model-versions/…`, with the caller under `SIGNED_IN`.
    """

    def __init__(self, proxy: RegistryProxy, registry: App) -> None:
        self._proxy = proxy
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except ApiError as error:
            await send_error(send, error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(LINKS):
            await _redirect(send, f"{ROOT}#/{quote(_page_of(path.removeprefix(LINKS)))}")
            return
        below = path.removeprefix(ROOT)
        if below.startswith(_STATIC) and scope["method"] in {"GET", "HEAD"}:
            await self._proxy.send_on(_static(below), send, _as_static)
            return
        who = await sync_to_async(who_is_signed_in)(scope)
        if not below and scope["method"] in {"GET", "HEAD"}:
            await self._page(who, scope, send)
            return
        if who is None:
            raise Unauthenticated("Your session has ended. Sign in again.")
        if scope["method"] not in {"GET", "HEAD"}:
            _check_origin(scope)
        await self._call(who, below, scope, receive, send)

    async def _page(self, who: Who | None, scope: Scope, send: Send) -> None:
        if who is None:
            await _redirect(send, f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': ROOT})}")
            return
        await self._proxy.send_on(Forwarded("GET", "/", None, {"Accept-Encoding": "identity"}), send, _as_page(scope))

    async def _call(self, who: Who, below: str, scope: Scope, receive: Receive, send: Send) -> None:
        query = query_of(scope)
        if below == "graphql" and scope["method"] == "POST":
            headers = {WORKSPACE_HEADER: mlflow_workspace(who.workspace_id), "Content-Type": "application/json"}
            body = await read_body(dict(scope["headers"]), receive, _GRAPHQL_LIMIT_BYTES)
            await self._ensure(who)
            await self._proxy.send_on(Forwarded("POST", "/graphql", body, headers), send)
        elif _FILES.fullmatch(below) and scope["method"] == "GET":
            await self._ensure(who)
            headers = {WORKSPACE_HEADER: mlflow_workspace(who.workspace_id), "Accept-Encoding": "identity"}
            await self._proxy.send_on(Forwarded("GET", f"/{below}?{urlencode(query)}", None, headers), send, _as_download)
        elif below == _GATEWAY and scope["method"] == "GET":
            await send_json(send, 200, {"endpoints": []})
        elif below == "model-versions/get-artifact" and scope["method"] == "GET":
            asked = dict(query)
            path = f"/Models/{asked.get('name', '').replace('.', '/')}/{asked.get('version', '')}/{asked.get('path', '')}"
            await send_file(send, "GET", dict(scope["headers"]), await locate(who, path, writing=False))
        elif below.startswith(_REGISTRY):
            asked_scope = {**scope, "path": "/api/" + below.removeprefix(_AJAX), SIGNED_IN: (who.workspace_id, who.user_id)}
            asked_scope["raw_path"] = quote(asked_scope["path"]).encode()
            await self._registry(asked_scope, receive, send)
        elif below.startswith(_AJAX):
            await self._proxy.answer(who, {**scope, "path": "/api/" + below.removeprefix(_AJAX)}, receive, send, is_page=True)
        else:
            raise EndpointNotFound(f"{scope['path'][:200]} is not offered here.")

    async def _ensure(self, who: Who) -> None:
        """The workspace is known to MLflow."""
        await asyncio.to_thread(self._proxy.store.ensure_workspace, who.workspace_id)


def _page_of(link: str) -> str:
    """Of an experiment the table of its runs: MLflow 3.17 would open a page about traces."""
    return f"{link}/runs" if re.fullmatch(r"experiments/[^/]+", link) else link


def _check_origin(scope: Scope) -> None:
    """Raises PermissionDenied unless a page of this site made the request: browsers always say where a write comes from."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if not origin or urlsplit(origin).netloc != host:
        raise PermissionDenied("This change did not come from a page of this site. Programs use an access token instead.")


def _static(below: str) -> Forwarded:
    return Forwarded("GET", "/" + quote(checked_path(below)), None, {"Accept-Encoding": "identity"})


async def _redirect(send: Send, to: str) -> None:
    await send_bytes(send, 302, b"", ((b"location", to.encode()), (b"cache-control", b"no-store")))


# --- answers ------------------------------------------------------------------------------------


def _content_security_policy(scope: Scope) -> str:
    """As strict as MLflow's pages allow: scripts, calls and pictures from their own folder only."""
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    site = f"{'https' if settings.SECURE_COOKIES else scope.get('scheme', 'http')}://{host}"
    here = site + ROOT
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {here}{_STATIC} {site}{_SCRIPT}",
            f"style-src {here}{_STATIC} {site}{_STYLE} 'unsafe-inline'",
            f"img-src {here} data: blob:",
            f"font-src {here}{_STATIC} data:",
            f"connect-src {here}",
            f"worker-src {here}{_STATIC} blob:",
            f"manifest-src {here}{_STATIC}",
            "frame-src blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _as_page(scope: Scope) -> Callable[[httpx.Response, Send], Awaitable[None]]:
    async def answer(response: httpx.Response, send: Send) -> None:
        headers = (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", _content_security_policy(scope).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        )
        await send_bytes(send, response.status_code, _with_way_back((await response.aread()).decode()).encode(), headers)

    return answer


def _with_way_back(page: str) -> str:
    """MLflow's page with our script before its own, and a link to the rest of the site."""
    ours = f'<script src="{_SCRIPT}"></script><link rel="stylesheet" href="{_STYLE}">'
    back = f'<a class="back-to-site" href="{reverse("sandbox_home")}">Back to Proving Ground</a>'
    return page.replace("<script", ours + "<script", 1).replace("</body>", back + "</body>", 1)


async def _as_static(response: httpx.Response, send: Send) -> None:
    """A file of the package; the ones with a digest in their name never change."""
    is_hashed = "/static/" in response.request.url.path
    kept = b"public, max-age=31536000, immutable" if is_hashed and response.is_success else b"no-cache"
    await _stream(response, send, ((b"cache-control", kept), (b"x-content-type-options", b"nosniff")))


async def _as_download(response: httpx.Response, send: Send) -> None:
    await _stream(response, send, _HARMLESS)


async def _stream(response: httpx.Response, send: Send, extra: tuple[tuple[bytes, bytes], ...]) -> None:
    passed = {"content-type", "content-length", "content-disposition"}
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items() if name in passed]
    await send({"type": "http.response.start", "status": response.status_code, "headers": [*headers, *extra]})
    async for piece in response.aiter_raw():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
