"""Does this machine hold what the site promises? Tries the jail, one build, and the services that are up."""

import platform
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sandbox.builds.operations import BuildFailed, build_model
from sandbox.builds.store import is_intact
from sandbox.jail import self_test
from sandbox.jail.attacks import ATTACKS
from sandbox.jail.errors import JailRefused, JobFailed
from sandbox.jail.launch import tier
from sandbox.jail.paths import is_code_world_readable

TIER_WORDS = {
    "T1": "T1: own namespaces (bubblewrap), Landlock, system call filter, limits, no privileges",
    "T2": "T2: Landlock, system call filter, limits, no privileges",
    "none": "none: nothing that a learner supplies can be run",
}
PACKAGES = (
    "django",
    "celery",
    "redis",
    "mlflow",
    "scikit-learn",
    "numpy",
    "onnx",
    "onnxruntime-gpu",
    "onnxruntime",
    "skl2onnx",
    "skops",
    "duckdb",
    "deltalake",
)


class Command(BaseCommand):
    """`manage.py doctor`: one line for each check, exit status 1 when one fails."""

    help = "Check the jail, one real model build and the running services; exit 1 when something does not hold."

    def handle(self, *args: Any, **options: Any) -> None:
        checks: tuple[tuple[str, Callable[[], str]], ...] = (
            ("versions", _versions),
            ("database", _database),
            ("jail", _jail),
            ("attack battery", _battery),
            ("attack battery, forked runner", _forked_battery),
            ("model build", _build),
            ("Redis", _redis),
            ("MLflow", _mlflow),
        )
        failed = [name for name, check in checks if not self._passes(name, check)]
        if failed:
            raise CommandError(f"Not well: {', '.join(failed)}.", returncode=1)
        self.stdout.write(self.style.SUCCESS("All is well."))

    def _passes(self, name: str, check: Callable[[], str]) -> bool:
        try:
            sentence, is_well = check(), True
        except (CheckFailed, JailRefused, JobFailed, BuildFailed) as problem:
            sentence, is_well = str(problem), False
        style = self.style.SUCCESS if is_well else self.style.ERROR
        self.stdout.write(f"{style('ok  ' if is_well else 'FAIL')} {name}: {sentence}")
        return is_well


class CheckFailed(Exception):
    """The sentence that says what does not hold."""


def _versions() -> str:
    found = [f"Python {platform.python_version()}", f"Linux {platform.release()} {platform.machine()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _database() -> str:
    engine = str(settings.DATABASES["default"]["ENGINE"]).rpartition(".")[2]
    return f"SQLite {sqlite3.sqlite_version}" if engine == "sqlite3" else engine


def _jail() -> str:
    found = tier()
    if found == "none":
        raise CheckFailed(f"{TIER_WORDS[found]}. {_why_no_jail()}")
    user = (
        "an unprivileged user" if is_code_world_readable() else "the same user without capabilities (the interpreter is private)"
    )
    return f"{TIER_WORDS[found]}; jobs run as {user}"


def _why_no_jail() -> str:
    """What the simplest tier says when it is tried."""
    try:
        reached = self_test.breaches("T2")
    except (JailRefused, JobFailed) as problem:
        return str(problem)
    return _breaches(reached)


def _battery() -> str:
    found = tier()
    for each in ("T1", "T2"):
        if each == found or (each == "T2" and found == "T1"):
            _refuse(self_test.breaches(each))
    return f"{len(ATTACKS)} attacks blocked"


def _forked_battery() -> str:
    _refuse(self_test.breaches_of_fork())
    return f"{len(ATTACKS)} attacks blocked"


def _refuse(reached: dict[str, str]) -> None:
    if reached:
        raise CheckFailed(_breaches(reached))


def _breaches(reached: dict[str, str]) -> str:
    return "BREACH: " + "; ".join(f"{name} ({what})" for name, what in reached.items())


def _build() -> str:
    """Build an example model with everything on: jail, comparison, trial, store."""
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.monotonic()
        built = build_model(settings.FIXTURES_DIR / "models" / "churn_champion" / "model", into=Path(folder))
        taken_s = time.monotonic() - started_s
        if built.signature["output"]["type"] != "string" or not is_intact(built.path, built.sha256):
            raise CheckFailed(f"the example model came out wrong: {built.signature}")
    return f"{built.signature['estimator']} became ONNX in {taken_s:.1f} s"


def _redis() -> str:
    if settings.EMBEDDED_REDIS and not settings.REDIS_SOCKET.exists():
        return "not running (it starts with the site)"
    import redis

    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5)
    try:
        facts = client.info("server")
    except redis.RedisError as error:
        raise CheckFailed(f"does not answer: {error}") from None
    finally:
        client.close()
    assert isinstance(facts, dict)
    return f"answers, version {facts['redis_version']}"


def _mlflow() -> str:
    if not settings.MLFLOW_SOCKET.exists():
        return "not running (it starts with the site)"
    with _unix_socket(settings.MLFLOW_SOCKET) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: mlflow\r\nConnection: close\r\n\r\n")
        answer = connection.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise CheckFailed(f"answers {answer.split(bytes([13]))[0].decode(errors='replace')!r}")
    return "answers"


@contextmanager
def _unix_socket(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise CheckFailed(f"does not answer: {error.strerror or error}") from None
        yield connection
