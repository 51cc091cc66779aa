"""Files and folders below a root, reached part by part without ever following a link."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import AlreadyExists, BadRequest, InvalidParameterValue, NotFound, ResourceConflict
from sandbox.files import quota

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = _ROOT | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


@dataclass(frozen=True)
class Place:
    """A path that the caller may use. `root` is ours and trusted; `parts` came from outside and were checked."""

    root: Path
    parts: tuple[str, ...]
    path: str
    """As the caller names it, absolute, without a slash at the end."""
    workspace_id: str
    """Whose quota counts what is made there."""

    def missing(self) -> NotFound:
        return NotFound(f"{self.path[:1100]} does not exist.")


@dataclass(frozen=True, order=True)
class Entry:
    """One line of a folder's list; sizes in bytes, times in milliseconds since the epoch."""

    name: str
    is_directory: bool
    file_size: int
    last_modified_ms: int


@contextmanager
def folder(place: Place, parts: Sequence[str], *, create: bool = False, change: bool = False) -> Iterator[int]:
    """The descriptor of a folder below the place's root, made with everything above it if asked; the root itself never is.

    Whoever creates or changes something holds the root meanwhile: it is not sealed then (`registry.version_files.closed`).

    Raises NotFound, or ResourceConflict when a part of the path is a file and folders were to be made, or ResourceExhausted.
    """
    with ExitStack() as opened:
        try:
            descriptor = _open_folder(opened, place.root)
            if create or change:
                _hold(descriptor, place)
            for part in parts:
                descriptor = _enter(opened, descriptor, part, place.workspace_id if create else "")
            yield descriptor
        except OSError as error:
            raise _explained(error, place, create) from error


def _hold(root: int, place: Place) -> None:
    """Until the descriptor is closed nobody seals the folder. Raises FileNotFoundError when that has happened already."""
    fcntl.flock(root, fcntl.LOCK_SH)
    if not os.path.samestat(os.fstat(root), os.stat(place.root)):
        raise FileNotFoundError(errno.ENOENT, "sealed meanwhile")


def _open_folder(opened: ExitStack, path: str | Path, above: int | None = None) -> int:
    descriptor = os.open(path, _FOLDER if above is not None else _ROOT, dir_fd=above)
    opened.callback(os.close, descriptor)
    return descriptor


def _enter(opened: ExitStack, above: int, part: str, creator: str) -> int:
    """`creator` is the workspace for which the folder is made when it is missing; nothing is made for nobody."""
    try:
        return _open_folder(opened, part, above)
    except FileNotFoundError:
        if not creator:
            raise
    quota.take(creator, quota.ENTRY_BYTES)
    try:
        os.mkdir(part, 0o700, dir_fd=above)
        os.fsync(above)
    except OSError as error:
        quota.give_back(creator, quota.ENTRY_BYTES)
        if not isinstance(error, FileExistsError):  # somebody was faster
            raise
    return _open_folder(opened, part, above)


def _explained(error: OSError, place: Place, create: bool) -> Exception:
    if error.errno == errno.ENAMETOOLONG:
        return InvalidParameterValue(f"A part of {place.path[:200]!r} is longer than 255 bytes. Choose shorter names.")
    if create and error.errno in {errno.ENOTDIR, errno.ELOOP}:
        return ResourceConflict(f"{place.path[:1100]} cannot be made: a part of it is a file.")
    if error.errno in _NOT_THERE:
        return place.missing()
    return error


def open_file(place: Place) -> tuple[int, os.stat_result]:
    """A descriptor for reading, and what the file is. Raises NotFound, also for a folder."""
    if not place.parts:
        raise place.missing()
    with folder(place, place.parts[:-1]) as parent:
        descriptor = os.open(place.parts[-1], _FILE, dir_fd=parent)
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            raise place.missing()
        return descriptor, facts


def list_folder(place: Place) -> list[Entry]:
    """By name; links and whatever else is neither file nor folder are left out. Raises NotFound, also for a file."""
    with folder(place, place.parts) as descriptor, os.scandir(descriptor) as found:
        return sorted(entry for each in found if (entry := _entry(each)) is not None)


def _entry(each: "os.DirEntry[str]") -> Entry | None:
    try:
        facts = each.stat(follow_symlinks=False)
    except FileNotFoundError:  # it went while we looked
        return None
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        return None
    is_directory = stat.S_ISDIR(facts.st_mode)
    return Entry(each.name, is_directory, 0 if is_directory else facts.st_size, facts.st_mtime_ns // 1_000_000)


def check_folder(place: Place) -> None:
    """Raises NotFound unless it is a folder."""
    with folder(place, place.parts):
        pass


def make_folder(place: Place) -> None:
    """With all folders above it; nothing happens when it is there."""
    with folder(place, place.parts, create=True):
        pass


def delete_file(place: Place) -> None:
    """Raises NotFound, also for a folder."""
    descriptor, _ = open_file(place)
    os.close(descriptor)
    with folder(place, place.parts[:-1], change=True) as parent:
        os.unlink(place.parts[-1], dir_fd=parent)
        os.fsync(parent)


def delete_folder(place: Place) -> None:
    """Raises NotFound, and BadRequest for a folder that is not empty or is a root."""
    check_folder(place)
    if not place.parts:
        raise BadRequest(f"{place.path} is not an ordinary directory. Delete the object that it belongs to instead.")
    with folder(place, place.parts[:-1], change=True) as parent:
        try:
            os.rmdir(place.parts[-1], dir_fd=parent)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            raise BadRequest(f"{place.path} is not empty. Delete the files and directories in it first.") from None
        os.fsync(parent)


def move_in(staged: Path, place: Place, *, overwrite: bool) -> None:
    """Make a finished file visible under its name in one step, which survives a crash.

    Raises AlreadyExists (and `overwrite` is false), or ResourceConflict when a folder has the name.
    """
    if not place.parts:
        raise BadRequest(f"{place.path} names a directory. Name a file in it.")
    with folder(place, place.parts[:-1], create=True) as parent:
        try:
            if overwrite:
                os.rename(staged, place.parts[-1], dst_dir_fd=parent)
            else:
                os.link(staged, place.parts[-1], dst_dir_fd=parent, follow_symlinks=False)
                staged.unlink()
        except FileExistsError:
            raise AlreadyExists(f"The file being created already exists: {place.path}. Send overwrite=true.") from None
        except IsADirectoryError:
            raise ResourceConflict(f"{place.path} is a directory. Choose another name for the file.") from None
        os.fsync(parent)
