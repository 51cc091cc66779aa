"""Uploads that are not finished: they grow out of sight and become visible in one step, or not at all."""

import errno
import os
import secrets
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings

from sandbox.files import quota
from sandbox.files.tree import Place, move_in

PARTS_KEPT_S = 24 * 3600.0
"""An upload in parts that nobody finished is thrown away after a day."""
FILES_KEPT_S = 600.0
"""A body that is being received was written to seconds ago: what is older belongs to a process that was killed."""


def staging_folder(workspace_id: str) -> Path:
    folder: Path = settings.UPLOADS_DIR / workspace_id
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


class StagedFile:
    """A file that is being received. Left without `commit`, it is as if it had never been sent.

    Its methods write to the disk: call them in a thread.
    """

    def __init__(self, workspace_id: str) -> None:
        self._workspace_id = workspace_id
        quota.take(workspace_id, quota.ENTRY_BYTES)
        self.path = staging_folder(workspace_id) / f"file-{secrets.token_hex(16)}"
        self.size = 0
        self._counted = quota.ENTRY_BYTES
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()

    def write(self, content: bytes) -> None:
        """Raises ResourceExhausted when the quota or the disk is used up."""
        more = quota.counted(self.size + len(content)) - self._counted
        if more > 0:
            quota.take(self._workspace_id, more)
            self._counted += more
        try:
            view = memoryview(content)
            while view:
                written = os.write(self._descriptor, view)
                self.size += written
                view = view[written:]
        except OSError as error:
            raise _explained(error) from error

    def append_file(self, source: Path) -> None:
        """The whole of another file, copied by the kernel; its bytes are counted already."""
        with source.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            while left:
                try:
                    copied = os.copy_file_range(file.fileno(), self._descriptor, left)
                except OSError as error:
                    raise _explained(error) from error
                left -= copied
                self.size += copied

    def commit(self, place: Place, *, overwrite: bool) -> None:
        """On disk for good, and visible; see `tree.move_in` for what it raises."""
        try:
            os.fsync(self._descriptor)
            move_in(self.path, place, overwrite=overwrite)
        except OSError as error:
            raise _explained(error) from error
        self._counted = 0

    def commit_as(self, path: Path) -> None:
        """The same for a file that stays out of sight, such as one part of an upload."""
        os.rename(self.path, path)
        self._counted = 0

    def discard(self) -> None:
        """Give everything back; does nothing after a commit but close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._counted:
            quota.give_back(self._workspace_id, self._counted)
            self._counted = 0
        self.path.unlink(missing_ok=True)


def _explained(error: OSError) -> Exception:
    return quota.disk_full() if error.errno in {errno.ENOSPC, errno.EDQUOT} else error


def sweep() -> int:
    """Throw away what killed processes and forgotten uploads left; returns how many."""
    swept = 0
    if not settings.UPLOADS_DIR.is_dir():
        return swept
    now_s = time.time()
    for path in settings.UPLOADS_DIR.glob("*/*"):
        try:
            age_s = now_s - path.stat().st_mtime
        except FileNotFoundError:
            continue
        if path.is_dir() and age_s > PARTS_KEPT_S:
            shutil.rmtree(path, ignore_errors=True)
        elif not path.is_dir() and age_s > FILES_KEPT_S:
            path.unlink(missing_ok=True)
        else:
            continue
        swept += 1
    return swept
