"""Files of registered versions for clients with a plain tracking address, which read them as artifacts.

The address of a version is `mlflow-artifacts:/workspaces/<workspace>/registry/<model's id>/<version>`. Nothing of the MLflow
server lies there: the proxy answers from the version's own folder, and writing is refused.
"""

import asyncio
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from sandbox.asgi_io import Headers, Send, send_json
from sandbox.catalog.models import ModelVersion
from sandbox.errors import InvalidState, NotFound, ResourceDoesNotExist
from sandbox.files.answers import send_file
from sandbox.files.places import Who, known_caller
from sandbox.files.tree import Place, list_folder
from sandbox.registry import version_files
from sandbox.registry.artifact_paths import SCHEME, workspace_folder
from sandbox.registry.mlflow_store import mlflow_workspace

_FOLDER = "registry"


def download_uri(version: ModelVersion) -> str:
    """The artifact address of the version's files."""
    model = version.registered_model
    return f"{SCHEME}/{_root(model.workspace_id)}/{model.id}/{version.version}"


def is_of_a_version(workspace_id: str, path: str) -> bool:
    """Whether an artifact path, scoped to the workspace, lies where registered versions are found."""
    root = _root(workspace_id)
    return path == root or path.startswith(root + "/")


async def send_version_file(send: Send, method: str, headers: Headers, who: Who, path: str) -> None:
    """GET of one file. Raises InvalidState for every other method, ResourceDoesNotExist and PermissionDenied."""
    if method != "GET":
        raise InvalidState("The files of registered versions never change. Log the model again and register a new version.")
    await send_file(send, method, headers, await _place(who, path))


async def send_version_list(send: Send, who: Who, path: str) -> None:
    """The list of a folder in the shape of MLflow's artifact service; {} when there is no such folder."""
    try:
        entries = await asyncio.to_thread(list_folder, await _place(who, path))
    except (NotFound, ResourceDoesNotExist):
        entries = []
    files = [{"path": each.name, "is_dir": each.is_directory} | _size(each) for each in entries]
    await send_json(send, 200, {"files": files} if files else {})


def _size(entry: Any) -> dict[str, int]:
    return {} if entry.is_directory else {"file_size": entry.file_size}


async def _place(who: Who, path: str) -> Place:
    inside = tuple(path.removeprefix(_root(who.workspace_id)).strip("/").split("/"))
    if len(inside) < 2:
        raise ResourceDoesNotExist(f"{path[:300]} does not exist.")
    return await sync_to_async(_find)(who, path, inside)


def _find(who: Who, path: str, inside: tuple[str, ...]) -> Place:
    close_old_connections()  # outside of a Django request nobody else does
    try:
        version = _version(who, path, inside)
    finally:
        close_old_connections()
    return Place(version_files.version_folder(version), inside[2:], path, who.workspace_id)


def _version(who: Who, path: str, inside: tuple[str, ...]) -> ModelVersion:
    """The READY version that the path names, for a caller who may load it."""
    caller = known_caller(who)
    number = int(inside[1]) if inside[1].isascii() and inside[1].isdigit() and len(inside[1]) < 10 else 0
    ready = ModelVersion.objects.filter(status=ModelVersion.Status.READY, registered_model__workspace=caller.workspace)
    related = ready.select_related("registered_model__parent__parent", "registered_model__workspace")
    version = related.filter(registered_model=inside[0], version=number).first()
    if version is None:
        raise ResourceDoesNotExist(f"{path[:300]} does not exist.")
    version_files.may_read(caller, version)
    return version


def _root(workspace_id: str) -> str:
    return f"{workspace_folder(mlflow_workspace(workspace_id))}/{_FOLDER}"
