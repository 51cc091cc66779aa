"""Content-addressed model files: a file's name is the SHA-256 of its bytes, and it never changes.

No Django: nodes read the same folder.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


class ModelFileDamaged(Exception):
    """The stored bytes are not those that the name promises, or are gone."""


def put(directory: Path, content: bytes) -> tuple[str, Path]:
    """Store the bytes durably; returns their SHA-256 and their path. Storing the same bytes again changes nothing."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = directory / sha256
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if is_intact(path, sha256):
        return sha256, path
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".incoming-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o400)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_directory(directory)
    return sha256, path


def put_pieces(directory: Path, pieces: Iterable[bytes]) -> tuple[str, Path]:
    """As `put`, for what is too large to be held in memory. An exception of `pieces` leaves nothing behind."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".incoming-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fchmod(file.fileno(), 0o400)
            os.fsync(file.fileno())
        path = directory / digest.hexdigest()
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_directory(directory)
    return path.name, path


def read(path: Path, sha256: str) -> bytes:
    """The bytes of a stored file, checked. Raises ModelFileDamaged."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileDamaged(f"The model file {sha256} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelFileDamaged(f"The model file {sha256} has been changed or cut; build the model again.")
    return content


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file is there and holds what its name promises."""
    try:
        read(path, sha256)
    except ModelFileDamaged:
        return False
    return True


def _sync_directory(directory: Path) -> None:
    """Make the new name survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
