"""Archives of strangers: sizes, names and number of files are checked before anything is unpacked."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from quizzes.interchange.report import Unreadable

MAX_FILES = 20_000
MAX_UNPACKED_BYTES = 100 * 1024 * 1024
MAX_RATIO = 200
"""Unpacked to packed size of one file; text of items stays far below."""
_INNER = (".zip", ".imscc", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".rar")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
"""What Python's reader raises for archives that are damaged, encrypted or packed in a way that it does not know."""


def is_archive(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04")


def unpack(data: bytes, suffixes: tuple[str, ...] = (".xml",)) -> dict[str, bytes]:
    """The archive's files with these endings by name, in memory; raises Unreadable for what looks hostile or is broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check(entries)
            wanted = [entry for entry in entries if entry.filename.lower().endswith(suffixes)]
            return {entry.filename: _read(archive, entry) for entry in wanted}
    except _BROKEN as error:
        raise Unreadable(f"The archive cannot be read: {error}") from None


def _check(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_FILES:
        raise Unreadable(f"The archive has {len(entries)} files; {MAX_FILES} are allowed.")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise Unreadable(f"The archive unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MB.")
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
            raise Unreadable(f"The archive has a file with the path {entry.filename!r}, which leads out of it.")
        if entry.external_attr >> 28 == 0xA:
            raise Unreadable(f"{entry.filename} is a link; only plain files are allowed.")
        if entry.flag_bits & 1:
            raise Unreadable(f"{entry.filename} is encrypted. Save the archive without a password.")
        if entry.filename.lower().endswith(_INNER):
            raise Unreadable(f"The archive holds another archive, {entry.filename}. Unpack it and import that one by itself.")
        if entry.file_size > MAX_RATIO * max(1, entry.compress_size) and entry.file_size > 1024 * 1024:
            raise Unreadable(f"{entry.filename} unpacks to more than {MAX_RATIO} times its size.")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What the file really holds: the size in the directory may lie."""
    with archive.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) > entry.file_size:
        raise Unreadable(f"{entry.filename} is larger than the archive says.")
    return data


def pack(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def with_file(data: bytes, name: str, more: bytes) -> bytes:
    """The archive with one more file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    return pack({**files, name: more})
