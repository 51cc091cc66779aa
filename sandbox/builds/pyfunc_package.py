"""A model's folder as one run of bytes, so that it is stored and checked by its SHA-256 like every other model file.

Layout: MAGIC, length of the header (4 bytes, big endian), header as JSON ``[[relative path, size], …]``, then the files one
after the other. No Django: nodes unpack what the control plane has packed.
"""

import json
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

MAGIC = b"PGPYFUNC1\n"
LARGEST_BYTES = 256 * 1024 * 1024
MOST_FILES = 2_000
LONGEST_PATH = 1_000
_LENGTH = struct.Struct("!I")
_LONGEST_HEADER = 4 * 1024 * 1024
_CHUNK = 1 << 20


class PackageError(ValueError):
    """The folder cannot be packed, or the bytes are no package; the message is a sentence that says why."""


def pack(folder: Path) -> Iterator[bytes]:
    """The package of the regular files in `folder`, in pieces. Links are left out. Raises PackageError."""
    files = list(_regular_files(folder))
    header = json.dumps([[name, size] for name, size in files]).encode()
    yield MAGIC + _LENGTH.pack(len(header)) + header
    for name, size in files:
        left = size
        with open(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            while left and (piece := file.read(min(left, _CHUNK))):
                left -= len(piece)
                yield piece
        if left:
            raise PackageError(f"The model's file {name!r} became shorter while it was read.")


def _regular_files(folder: Path) -> Iterator[tuple[str, int]]:
    left_bytes, left_files = LARGEST_BYTES, MOST_FILES
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                continue
            left_bytes, left_files = left_bytes - found.st_size, left_files - 1
            if left_bytes < 0:
                raise PackageError(f"The model's files are larger than {LARGEST_BYTES >> 20} MiB together.")
            if left_files < 0:
                raise PackageError(f"The model has more than {MOST_FILES} files.")
            yield path.relative_to(folder).as_posix(), found.st_size


def unpack(package: Path, folder: Path) -> None:
    """Write the package's files into the empty `folder`, readable and no more. Raises PackageError and OSError."""
    with package.open("rb") as source:
        for name, size in _header(source.read(len(MAGIC) + _LENGTH.size), source):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
            with open(descriptor, "wb") as file:
                left = size
                while left and (piece := source.read(min(left, _CHUNK))):
                    left -= file.write(piece)
            if left:
                raise PackageError("The package is cut short.")


def _header(start: bytes, source: IO[bytes]) -> list[tuple[str, int]]:
    """The names and sizes, each name a path that stays below its folder."""
    if len(start) != len(MAGIC) + _LENGTH.size or not start.startswith(MAGIC):
        raise PackageError("This is no packed model.")
    (length,) = _LENGTH.unpack_from(start, len(MAGIC))
    if length > _LONGEST_HEADER:
        raise PackageError("The package's header is longer than it may be.")
    raw = json.loads(source.read(length))
    files = [(str(name), int(size)) for name, size in raw]
    if len(files) > MOST_FILES or sum(size for _, size in files) > LARGEST_BYTES:
        raise PackageError("The package holds more than a model may.")
    for name, size in files:
        if size < 0 or not is_plain(name):
            raise PackageError(f"The package names a file that may not be: {name[:100]!r}.")
    return files


def is_plain(name: str) -> bool:
    """Whether the path is relative, has no step up and no odd part."""
    path = PurePosixPath(name)
    parts = name.split("/")
    return (
        0 < len(name) <= LONGEST_PATH
        and not path.is_absolute()
        and "\0" not in name
        and all(part not in {"", ".", ".."} for part in parts)
    )
