"""Managed volumes: folders of files that SQL and clients reach as `/Volumes/<catalog>/<schema>/<volume>/…`."""

import shutil
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from sandbox.catalog import access, securables
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.names import split_name
from sandbox.workspaces.members import Caller

VOLUME = SecurableType.VOLUME


def create_volume(caller: Caller, full_name: str, *, comment: str = "") -> Securable:
    """Needs CREATE_VOLUME on the schema. Raises ResourceAlreadyExists, ResourceDoesNotExist (schema), PermissionDenied."""
    parts = split_name(full_name, 3, "volume")
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, securables.quoted(parts[:2]))
    access.require(caller, schema, "CREATE_VOLUME")
    return securables.add(VOLUME, ".".join(parts), parent=schema, owner=caller.name, comment=comment)


def get_volume(caller: Caller, full_name: str) -> Securable:
    """Raises ResourceDoesNotExist, PermissionDenied (not even BROWSE). Files need READ_VOLUME or WRITE_VOLUME besides."""
    volume = securables.find(caller.workspace, VOLUME, full_name)
    access.require_visible(caller, volume)
    return volume


def list_volumes(caller: Caller, schema_full_name: str) -> QuerySet[Securable]:
    """What the caller sees in the schema, by name. Raises ResourceDoesNotExist, PermissionDenied."""
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, schema_full_name)
    access.require(caller, schema)
    return access.visible(caller, securables.children(schema, VOLUME))


def drop_volume(caller: Caller, full_name: str) -> None:
    """Delete a volume with its files. Needs ownership or MANAGE. Raises ResourceDoesNotExist, PermissionDenied."""
    volume = securables.find(caller.workspace, VOLUME, full_name)
    access.require(caller, volume, access.MANAGE)
    delete_with_files(volume)


def folder_of(volume: Securable) -> Path:
    """Where its files lie; the folder is made by whoever writes the first one. Named by the id, so a rename moves nothing."""
    return Path(settings.VOLUMES_DIR) / volume.workspace_id / volume.id


def delete_with_files(volume: Securable) -> None:
    """The row first, the folder once that is certain."""
    folder = folder_of(volume)
    with transaction.atomic():
        volume.delete()
        transaction.on_commit(partial(shutil.rmtree, folder, ignore_errors=True))
