"""What must hold before a site can start; each check that fails ends the start with one sentence that says what to do."""

import errno
import fcntl
import os
import shutil
import socket
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import redis
from django.db import OperationalError, connection

NEEDED_FREE_BYTES = 500 * 1024**2
_lock_descriptors: list[int] = []


def check_data_dir(data_dir: Path) -> None:
    """The directory exists (made private when it is new), can be written to, and its disk has room."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data_dir / f".write-probe-{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        raise SystemExit(f"DATA_DIR {data_dir} cannot be written to: {error.strerror}. {_remedy(error)}") from None
    free = shutil.disk_usage(data_dir).free
    if free < NEEDED_FREE_BYTES:
        raise SystemExit(
            f"The disk of DATA_DIR {data_dir} has {free // 1024**2} MB left and {NEEDED_FREE_BYTES // 1024**2} MB are needed. "
            "Make room, or set DATA_DIR to a directory on another disk."
        )


def _remedy(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "Make room on that disk, or set DATA_DIR to a directory on another one."
    return "Set DATA_DIR to a directory that you may write to."


def lock_data_dir(data_dir: Path) -> None:
    """Keep a second instance out for as long as this process lives.

    The kernel drops the lock with the process, so a lock is never stale; the file that stays behind means nothing.
    """
    path = data_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(descriptor, 20).decode().strip() or "unknown"
        os.close(descriptor)
        raise SystemExit(
            f"Another instance (process {owner}) uses DATA_DIR {data_dir}. Stop it, "
            "or give this one its own data and port: DATA_DIR=var2 PORT=8001 make run"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    _lock_descriptors.append(descriptor)


def check_port(host: str, port: int) -> None:
    """Nobody listens on the site's address."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except socket.gaierror:
        raise SystemExit(f"HOST {host!r} is not an address of this machine. Leave it unset for 127.0.0.1.") from None
    except OverflowError:
        raise SystemExit(f"PORT must be between 1 and 65535, not {port}.") from None
    except OSError as error:
        raise SystemExit(_port_sentence(host, port, error)) from None


def _port_sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Stop that program, or choose another port: PORT={port + 1} make run"
    if error.errno == errno.EACCES:
        return f"Port {port} needs administrator rights. Choose one above 1023: PORT=8000 make run"
    return f"The site cannot listen on {host}:{port}: {error.strerror}. Check HOST and PORT."


def prepare_run_dir(run_dir: Path) -> None:
    """A private directory for sockets, without those that a killed run left behind."""
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = run_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise SystemExit(f"{run_dir} belongs to somebody else. Remove it, or set DATA_DIR to another directory.")
    run_dir.chmod(0o700)
    for leftover in _leftovers(run_dir.iterdir()):
        leftover.unlink(missing_ok=True)


def _leftovers(entries: Iterable[Path]) -> list[Path]:
    return [entry for entry in entries if entry.is_socket() or entry.suffix in {".sock", ".pid"} or ".sock." in entry.name]


def check_redis(redis_url: str) -> None:
    """The Redis that REDIS_URL names answers."""
    try:
        client = redis.Redis.from_url(redis_url, socket_timeout=3, socket_connect_timeout=3)
        client.ping()
        client.close()
    except (redis.RedisError, ValueError, OSError) as error:
        raise SystemExit(
            f"The Redis of REDIS_URL ({_without_password(redis_url)}) does not answer: {error}. "
            "Start it, correct REDIS_URL, or leave REDIS_URL unset to use the embedded one."
        ) from None


def check_database(database_url: str) -> None:
    """The database that DATABASE_URL names (or the SQLite file) opens."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise SystemExit(
            f"The database {_without_password(database_url) or 'in DATA_DIR'} does not open: {reason}. "
            "Start it, correct DATABASE_URL, or leave DATABASE_URL unset to use SQLite."
        ) from None


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}" if url else ""
