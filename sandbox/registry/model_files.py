"""Download a model's files from the MLflow server, capped, without ever following or making a link."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from sandbox.errors import InvalidState
from sandbox.registry.artifact_paths import checked_path
from sandbox.registry.mlflow_http import MlflowHttp

FILES_LIMIT = 500
TOTAL_BYTES_LIMIT = 512 * 1024 * 1024
DEPTH_LIMIT = 8
SMALL_FILE_BYTES_LIMIT = 1024 * 1024


def fetch_tree(http: MlflowHttp, workspace: str, root: str, into: Path) -> None:
    """Download everything below the artifact directory `root` into the empty directory `into`.

    Raises:
        InvalidState: there is nothing, or more than 500 files or 512 MiB.
    """
    files = list_files(http, workspace, root)
    if not files:
        raise InvalidState("The model version has no files. Log the model again.")
    budget = TOTAL_BYTES_LIMIT
    for path in files:
        budget -= _fetch_file(http, workspace, path, into / path.removeprefix(root + "/"), budget)


def read_small_file(http: MlflowHttp, workspace: str, path: str) -> bytes:
    """One artifact of at most 1 MiB."""
    with http.download(workspace, path) as response:
        return b"".join(_capped(response, SMALL_FILE_BYTES_LIMIT, path))


def list_files(http: MlflowHttp, workspace: str, root: str) -> list[str]:
    """Paths of all files below an artifact directory; refuses too many files and too deep folders."""
    files: list[str] = []
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        for entry in _list_folder(http, workspace, folder):
            path = checked_path(f"{folder}/{entry['path']}")
            if entry.get("is_dir"):
                folders.append((path, depth + 1))
            else:
                files.append(path)
        if len(files) + len(folders) > FILES_LIMIT or depth > DEPTH_LIMIT:
            raise InvalidState(f"The model has more than {FILES_LIMIT} files, or folders deeper than {DEPTH_LIMIT}.")
    return files


def _list_folder(http: MlflowHttp, workspace: str, folder: str) -> list[dict[str, Any]]:
    found = http.call(workspace, "GET", "/api/2.0/mlflow-artifacts/artifacts", params={"path": folder})
    entries: list[dict[str, Any]] = found.get("files", [])
    return entries


def _fetch_file(http: MlflowHttp, workspace: str, path: str, target: Path, budget: int) -> int:
    """Download one file of at most `budget` bytes; returns its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    size = 0
    with os.fdopen(descriptor, "wb") as file, http.download(workspace, path) as response:
        for chunk in _capped(response, budget, path):
            size += file.write(chunk)
    return size


def _capped(response: httpx.Response, limit: int, path: str) -> Iterator[bytes]:
    """The body in pieces; more than `limit` bytes raise InvalidState."""
    received = 0
    for chunk in response.iter_bytes():
        received += len(chunk)
        if received > limit:
            name = path.rsplit("/", 1)[-1]
            raise InvalidState(f"The model's files are too large at {name!r} (together at most {TOTAL_BYTES_LIMIT} bytes).")
        yield chunk
