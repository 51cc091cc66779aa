"""An application behind the site's HTTP protocol, in the test's own event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from config.http_protocol import BoundedHeads


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[int]:
    """The port; `options` are uvicorn's."""
    config = uvicorn.Config(app, port=0, http=BoundedHeads, lifespan="off", log_config=None, **options)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()
