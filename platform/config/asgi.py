"""The site's ASGI application: invocations to the gateway, MLflow to its proxy, everything else to Django."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

_django: Any = get_asgi_application()

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from config.body_cap import body_cap
from config.upload_cap import UPLOAD_PATH, may_upload
from sandbox.asgi_io import send_json
from sandbox.files.app import PREFIX as FILES
from sandbox.files.app import FilesApp
from sandbox.files.staging import sweep
from sandbox.invocations.gateway import Gateway
from sandbox.live import LiveToken
from sandbox.registry.proxy import RegistryProxy
from sandbox.registry.routes import PREFIXES, REGISTRY
from sandbox.registry.ui import LINKS as MLFLOW_LINKS
from sandbox.registry.ui import ROOT as MLFLOW_UI
from sandbox.registry.ui import MlflowUi
from sandbox.workspaces.discovery import DISCOVERY, DISCOVERY_PATH
from sandbox.workspaces.operations import live_token

YOUNG_OBJECTS = 10_000
"""So many new objects start a collection. At the usual 700 each batch of requests did, and found nothing."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _load_token(sha256: str) -> LiveToken | None:
    """From the database: for a token that Redis does not know (any more)."""
    return await sync_to_async(_look_up)(sha256)


def _look_up(sha256: str) -> LiveToken | None:
    close_old_connections()  # outside of a Django request nobody else does
    try:
        return live_token(sha256)
    finally:
        close_old_connections()


gateway = Gateway(
    settings.REDIS_URL,
    _load_token,
    body_limit_bytes=settings.INVOCATION_BODY_LIMIT_BYTES,
    timeout_s=settings.INVOCATION_TIMEOUT_S,
)
mlflow = RegistryProxy(gateway.authenticate)
files = FilesApp(gateway.authenticate)
pages = body_cap(_django, limit_bytes=settings.WEB_BODY_LIMIT_BYTES, timeout_s=10.0)
uploads = body_cap(_django, limit_bytes=settings.UPLOAD_BODY_LIMIT_BYTES, timeout_s=60.0)
mlflow_ui = MlflowUi(mlflow, pages)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Send a request to the plane that answers it."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] != "http":
        await send({"type": "websocket.close"})
    elif scope["path"].startswith("/serving-endpoints/"):
        await gateway(scope, receive, send)  # which does not ask where a request comes from
    else:
        await _others(scope, receive, send)


async def _choose(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == DISCOVERY_PATH and scope["method"] == "GET":
        await send_json(send, 200, DISCOVERY)  # clients ask before almost every call: Django would take four times as long
    elif scope["path"].startswith(PREFIXES) and not scope["path"].startswith(REGISTRY):
        await mlflow(scope, receive, send)
    elif scope["path"].startswith((MLFLOW_UI, MLFLOW_LINKS)):
        await mlflow_ui(scope, receive, send)
    elif scope["path"].startswith(FILES):
        await files(scope, receive, send)
    elif scope["path"] == UPLOAD_PATH and await sync_to_async(may_upload)(scope):
        await uploads(scope, receive, send)
    else:
        await pages(scope, receive, send)


_choices: Any = _choose  # its types are those of the standard, in other words
_others: Any = ProxyHeadersMiddleware(_choices, trusted_hosts=os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1"))


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            gc.freeze()  # what was imported stays: no collection need look at it again
            gc.set_threshold(YOUNG_OBJECTS)
            gateway.start()
            await asyncio.to_thread(sweep)  # of uploads that ended with an earlier process
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
