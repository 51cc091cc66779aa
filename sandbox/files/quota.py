"""How many bytes of files and folders a workspace may keep, and that the disk is never filled to the brim."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from django.conf import settings

from sandbox.catalog.folders import MANAGED_FOLDER
from sandbox.errors import ResourceExhausted
from sandbox.registry import version_files
from sandbox.registry.artifact_paths import workspace_folder
from sandbox.registry.mlflow_store import mlflow_workspace

MEASURED_FOR_S = 60.0
"""A measured size is used so long; what this process stores meanwhile is added to it."""
DISK_RESERVE_BYTES = 256 * 1024 * 1024
"""So much of the disk stays free for the site's own database."""
ENTRY_BYTES = 16 * 1024
"""What a file or folder counts at least: file systems are made with one inode for so many bytes, so whoever has used up her bytes
with empty files has not used up more than her share of inodes [man mke2fs: -i]."""
INODE_RESERVE = 10_000
"""So many inodes stay free, for the same."""


class _Usage:
    """What one workspace keeps; its lock is held while the folders are measured, which other workspaces must not wait for."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.bytes = 0
        self.measured_at_s = float("-inf")


_usages: dict[str, _Usage] = {}


def folders_of(workspace_id: str) -> tuple[Path, ...]:
    """Everything of a workspace that counts: tables and volumes, models, what MLflow keeps, and uploads that are not finished.

    Inference tables do not: endpoints write them, and have to go on when a learner's files take all the room.
    """
    artifacts: Path = settings.MLFLOW_DIR / "artifacts" / workspace_folder(mlflow_workspace(workspace_id))
    models = version_files.root() / workspace_id
    tables: Path = settings.DELTA_DIR / workspace_id / MANAGED_FOLDER
    return (tables, settings.VOLUMES_DIR / workspace_id, models, artifacts, settings.UPLOADS_DIR / workspace_id)


def counted(size: int) -> int:
    """What a file of so many bytes counts."""
    return max(size, ENTRY_BYTES)


def take(workspace_id: str, size: int) -> None:
    """Count bytes that are about to be stored; those of files and folders as `counted` says.

    Raises ResourceExhausted when the workspace's quota or the disk is used up; then nothing was counted.
    """
    usage = _usages.setdefault(workspace_id, _Usage())
    with usage.lock:
        if time.monotonic() - usage.measured_at_s > MEASURED_FOR_S:
            usage.bytes, usage.measured_at_s = measure(workspace_id), time.monotonic()
        if usage.bytes + size > settings.FILES_QUOTA_BYTES:
            raise ResourceExhausted(
                f"The workspace's files take {usage.bytes} of {settings.FILES_QUOTA_BYTES} bytes; another {size} do not fit. "
                f"Delete tables, or files of volumes, models or runs; each file and folder counts {ENTRY_BYTES} bytes at least."
            )
        if _is_disk_full(size):
            raise disk_full()
        usage.bytes += size


def give_back(workspace_id: str, size: int) -> None:
    """Bytes that were counted and are not stored after all, or no more."""
    usage = _usages.setdefault(workspace_id, _Usage())
    with usage.lock:
        usage.bytes = max(0, usage.bytes - size)


def _is_disk_full(size: int) -> bool:
    disk = os.statvfs(settings.DATA_DIR)
    has_inodes_left = disk.f_files == 0 or disk.f_favail >= INODE_RESERVE  # some file systems count none
    return disk.f_bavail * disk.f_frsize - size < DISK_RESERVE_BYTES or not has_inodes_left


def disk_full() -> ResourceExhausted:
    return ResourceExhausted("The disk of this site is full; nothing was stored. Its operator has to make room.")


def measure(workspace_id: str) -> int:
    """Bytes that the workspace's files and folders count now."""
    return sum(size for root in folders_of(workspace_id) for size in _sizes(root))


def forget() -> None:
    """Measure anew next time."""
    _usages.clear()


def _sizes(root: Path) -> Iterator[int]:
    for folder, folders, names in os.walk(root):
        yield ENTRY_BYTES * len(folders)
        for name in names:
            try:
                yield counted(os.lstat(os.path.join(folder, name)).st_size)
            except FileNotFoundError:  # it went while we looked
                continue
