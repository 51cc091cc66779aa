"""Which calls of MLflow's REST API a learner's client may make: one table, everything else is refused."""

import re
from dataclasses import dataclass
from enum import Enum, auto

V2 = "/api/2.0/mlflow/"
V3 = "/api/3.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
NEWER = ("/api/4.0/mlflow/", "/api/5.0/mlflow/")
"""Of Databricks alone; clients fall back to the older calls when there is no such address."""
PREFIXES = (V2, V3, "/api/2.0/mlflow-artifacts/", *NEWER)
"""The site mounts the proxy at these paths."""
REGISTRY = tuple(V2 + name for name in ("registered-models/", "model-versions/", "unity-catalog/"))
"""But these are answered by Django, where registered models live."""


_Table = tuple[str, list[tuple[re.Pattern[str], frozenset[str]]]]


class Kind(Enum):
    """How the proxy treats a call."""

    JSON = auto()
    """Small body, read and checked before it goes on."""
    SERVER_INFO = auto()
    ARTIFACT_LIST = auto()
    ARTIFACT = auto()
    """A file, streamed both ways."""


@dataclass(frozen=True)
class Route:
    """What an allowed call is: its kind and, for an artifact, the path that it names."""

    kind: Kind
    artifact_path: str = ""


_ID = r"[A-Za-z0-9_-]{1,64}"
_TRACE = r"tr-[0-9a-f]{32}"
_KEY = r"[^/]{1,250}"

_ALLOWED: dict[str, str] = {
    # experiments
    r"experiments/(get|get-by-name)": "GET",
    r"experiments/search": "GET POST",
    r"experiments/(create|delete|restore|update|set-experiment-tag|delete-experiment-tag)": "POST",
    # runs
    r"runs/get": "GET",
    r"runs/(create|update|delete|restore|search|set-tag|delete-tag)": "POST",
    r"runs/(log-metric|log-parameter|log-batch|log-model|log-inputs|outputs)": "POST",
    r"metrics/get-history": "GET",
    r"artifacts/list": "GET",
    # logged models
    r"logged-models": "POST",
    r"logged-models/search": "POST",
    rf"logged-models/{_ID}": "GET PATCH DELETE",
    rf"logged-models/{_ID}/params": "POST",
    rf"logged-models/{_ID}/tags": "PATCH",
    rf"logged-models/{_ID}/tags/{_KEY}": "DELETE",
    rf"logged-models/{_ID}/artifacts/directories": "GET",
    # traces
    r"traces": "GET POST",
    rf"traces/{_TRACE}": "PATCH",
    rf"traces/{_TRACE}/info": "GET",
    rf"traces/{_TRACE}/tags": "PATCH DELETE",
}
_ALLOWED_V3: dict[str, str] = {
    r"traces": "POST",
    r"traces/search": "POST",
    rf"traces/{_TRACE}": "GET",
    rf"traces/{_TRACE}/tags": "PATCH DELETE",
}
_PAGES: dict[str, str] = {
    r"metrics/get-history-bulk(-interval)?": "GET",
    r"experiments/search-datasets": "POST",
}
_PAGES_V3: dict[str, str] = {
    r"ui-telemetry": "GET",
    r"datasets/search": "POST",
    r"traces/get": "GET",
    r"traces/batchGetInfos": "POST",
    r"traces/metrics": "POST",
    r"traces/delete-traces": "POST",
    rf"traces/{_TRACE}/assessments": "POST",
    rf"traces/{_TRACE}/assessments/{_KEY}": "GET PATCH DELETE",
}
"""What MLflow's own pages call besides, below `ajax-api`."""


def _compiled(table: dict[str, str]) -> list[tuple[re.Pattern[str], frozenset[str]]]:
    return [(re.compile(pattern), frozenset(methods.split())) for pattern, methods in table.items()]


_TABLES = ((V2, _compiled(_ALLOWED)), (V3, _compiled(_ALLOWED_V3)))
_PAGE_TABLES = ((V2, _compiled(_PAGES)), (V3, _compiled(_PAGES_V3)))


def find_route(method: str, path: str) -> Route | None:
    """The route of a call, or None when it is not on the list. `path` is decoded once."""
    if path == f"{V3}server-info" and method == "GET":
        return Route(Kind.SERVER_INFO)
    if path == ARTIFACTS and method == "GET":
        return Route(Kind.ARTIFACT_LIST)
    if path.startswith(f"{ARTIFACTS}/") and method in {"GET", "PUT", "DELETE"}:
        return Route(Kind.ARTIFACT, path.removeprefix(f"{ARTIFACTS}/"))
    return _looked_up(_TABLES, method, path)


def find_page_route(method: str, path: str) -> Route | None:
    """The route of a call that only MLflow's own pages make, or None. `path` begins with /api/, decoded once."""
    return _looked_up(_PAGE_TABLES, method, path)


def _looked_up(tables: tuple[_Table, ...], method: str, path: str) -> Route | None:
    for prefix, table in tables:
        if path.startswith(prefix):
            call = path.removeprefix(prefix)
            if any(method in methods and pattern.fullmatch(call) for pattern, methods in table):
                return Route(Kind.JSON)
    return None
