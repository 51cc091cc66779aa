"""The operator's page: processes, nodes, queues, disk, jail and versions, measured when it is asked for."""

import json
import platform as python_platform
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.module_loading import import_string
from django.views.decorators.http import require_GET
from redis.exceptions import RedisError

from sandbox.connections import redis_client
from sandbox.console.requests import PageRequest
from sandbox.jail import launch
from sandbox.replicas.messages import NODES_KEY, node_queue
from sandbox.workspaces.models import Role
from sandbox.workspaces.sessions import user_of

CAPTURE_STREAM = "capture"
CONTROL_QUEUE = "control"
SHOWN_PACKAGES = ("django", "celery", "mlflow", "onnxruntime", "onnxruntime-gpu", "scikit-learn", "deltalake", "duckdb", "redis")
JAIL_WORDS = {
    "T1": "Tier 1: namespaces (bubblewrap), landlock, seccomp and limits.",
    "T2": "Tier 2: landlock, seccomp and limits, without namespaces.",
    "none": "No jail works on this machine, so models and SQL of learners are refused. Run manage.py doctor.",
}


class Readiness(Protocol):
    """What the health check says of one process."""

    ready: bool
    detail: str


@dataclass(frozen=True)
class Process:
    name: str
    state: str
    detail: str


@dataclass(frozen=True)
class Node:
    """A node as it announced itself last."""

    name: str
    devices: str
    heartbeat_age_s: float


@dataclass(frozen=True)
class Queue:
    """`length` None: Redis could not be asked."""

    name: str
    length: int | None
    unit: str


@dataclass(frozen=True)
class DiskPart:
    name: str
    bytes: int


@login_required
@require_GET
def operate(request: PageRequest) -> HttpResponse:
    """For the role operator; anybody else gets 403."""
    if user_of(request).role != Role.OPERATOR:
        raise PermissionDenied
    nodes = _nodes()
    shown = {
        "processes": _processes(),
        "nodes": nodes,
        "queues": _queues(nodes),
        "disk": _disk(),
        "jail": JAIL_WORDS[launch.tier()],
        "versions": _versions(),
    }
    return render(request, "sandbox/_operate.html" if request.htmx else "sandbox/operate.html", shown)


def _processes() -> list[Process]:
    found: dict[str, Readiness] = import_string(settings.HEALTH_CHECK)()
    return [Process(name, "READY" if each.ready else "NOT_READY", each.detail) for name, each in found.items()]


def _nodes() -> list[Node]:
    try:
        found = redis_client().hgetall(NODES_KEY)
    except RedisError:
        return []
    return [_node(name.decode(), json.loads(record)) for name, record in sorted(found.items())]


def _node(name: str, record: dict[str, Any]) -> Node:
    devices = ", ".join(str(device) for device in record.get("devices", [])) or "CPU"
    return Node(name, devices, time.time() - float(record.get("heartbeat_s", 0)))


def _queues(nodes: list[Node]) -> list[Queue]:
    waiting = [Queue(name, _length("llen", name), "waiting") for name in (CONTROL_QUEUE, *(node_queue(n.name) for n in nodes))]
    return [*waiting, Queue("inference table stream", _length("xlen", CAPTURE_STREAM), "records")]


def _length(command: str, key: str) -> int | None:
    try:
        return int(getattr(redis_client(), command)(key))
    except RedisError:
        return None


def _disk() -> dict[str, Any]:
    usage = shutil.disk_usage(settings.DATA_DIR)
    parts = [DiskPart(name, _size(path)) for name, path in _folders().items()]
    return {"free": usage.free, "total": usage.total, "parts": parts}


def _folders() -> dict[str, Path]:
    return {
        "Delta tables": settings.DELTA_DIR,
        "Converted models": settings.MODEL_DIR,
        "MLflow": settings.MLFLOW_DIR,
        "Logs": settings.LOG_DIR,
    }


def _size(folder: Path) -> int:
    """Bytes of the files below a folder; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def _versions() -> list[tuple[str, str]]:
    packages = [(name, _installed(name)) for name in SHOWN_PACKAGES]
    own = [("Proving Ground", settings.VERSION), ("Python", python_platform.python_version())]
    return own + [(name, found) for name, found in packages if found]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
