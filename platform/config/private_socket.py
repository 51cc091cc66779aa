"""UNIX sockets that only this user can open, bound before a server program is exec'd."""

import os
import socket
from pathlib import Path

BACKLOG = 128


def private_socket(path: Path) -> socket.socket:
    """A listening UNIX socket with mode 0600 that an exec'd program inherits.

    It is bound here because uvicorn would open a socket of its own to everybody. Requests that
    arrive while the program starts wait in the backlog.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def uvicorn_command(executable: str, application: str, root: Path, descriptor: int) -> list[str]:
    """The command line that serves an ASGI application on an inherited socket, in one process."""
    return [
        executable, "-m", "uvicorn", application,
        "--app-dir", str(root), "--fd", str(descriptor),
        "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "5",
    ]  # fmt: skip
