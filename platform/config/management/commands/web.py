"""Serve the site: pages, the REST control plane and invocations, by uvicorn (uvloop, httptools)."""

import resource
import socket
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config.http_protocol import BoundedHeads
from config.preflight import check_port
from config.processes import die_with_parent
from config.supervisor_config import LISTEN_BACKLOG
from sandbox.freed_memory import keep_freed_memory

KEEP_ALIVE_S = 75
"""Longer than the idle time of the usual clients' connection pools, so that it is they who close."""
FINISH_WITHIN_S = 10
MAX_CONNECTIONS = 4096


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--descriptor", type=int, help="an open listening socket to serve instead of HOST and PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        keep_freed_memory()
        descriptor = options["descriptor"]
        if descriptor is None:
            check_port(settings.HOST, settings.PORT)
        sockets = None if descriptor is None else [socket.socket(fileno=descriptor)]
        uvicorn.Server(server_config()).run(sockets=sockets)


def most_connections() -> int:
    """Connections at a time; one more is answered with 503. Half of the open files stay for the site's own work."""
    return max(64, min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


def server_config() -> uvicorn.Config:
    return uvicorn.Config(
        "config.asgi:application",
        host=settings.HOST,
        port=settings.PORT,
        loop="uvloop",
        http=BoundedHeads,
        limit_concurrency=most_connections(),
        backlog=LISTEN_BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # see config.asgi
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
    )
