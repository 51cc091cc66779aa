"""Files of a volume for its pages: list, make and delete folders, take a small file, and addresses that stream large ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from django.core.files.uploadedfile import UploadedFile

from sandbox.catalog import access, volumes
from sandbox.console.catalog.opened import Opened
from sandbox.errors import InvalidParameterValue
from sandbox.files import signed_urls
from sandbox.files.paths import split_path
from sandbox.files.places import Who
from sandbox.files.signed_urls import Signed
from sandbox.files.staging import StagedFile
from sandbox.files.tree import Place, delete_file, delete_folder, list_folder, make_folder


@dataclass(frozen=True)
class Line:
    """One file or folder; `path` is inside the volume."""

    name: str
    path: str
    is_folder: bool
    size_bytes: int
    changed_at: datetime

    @property
    def query(self) -> str:
        return urlencode({"path": self.path})


def root_of(opened: Opened) -> str:
    """The volume's path as programs name it."""
    return "/Volumes/" + "/".join(opened.row.full_name.split("."))


def place_of(opened: Opened, path: str, *, writing: bool = False) -> Place:
    """Raises PermissionDenied (READ_VOLUME, WRITE_VOLUME), InvalidParameterValue (a path that climbs or is malformed)."""
    access.require(opened.caller, opened.row, "WRITE_VOLUME" if writing else "READ_VOLUME")
    full = f"{root_of(opened)}/{path.strip('/')}".rstrip("/")
    _, _, inside = split_path(full)
    root = volumes.folder_of(opened.row)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Place(root, inside, full, opened.row.workspace_id)


def lines(place: Place) -> list[Line]:
    """Folders first, then by name. Raises NotFound for what is no folder."""
    found = [
        Line(
            entry.name,
            "/".join((*place.parts, entry.name)),
            entry.is_directory,
            entry.file_size,
            datetime.fromtimestamp(entry.last_modified_ms / 1000, tz=UTC),
        )
        for entry in list_folder(place)
    ]
    return sorted(found, key=lambda line: (not line.is_folder, line.name))


def make(place: Place) -> None:
    """A folder. Raises InvalidParameterValue without a name, ResourceConflict where a file has it."""
    if not place.parts:
        raise InvalidParameterValue("Give the folder a name.")
    make_folder(place)


def delete(place: Place, *, is_folder: bool) -> None:
    """Raises NotFound, and BadRequest for a folder that is not empty."""
    (delete_folder if is_folder else delete_file)(place)


def take(opened: Opened, place: Place, uploads: Iterable[UploadedFile[bytes]]) -> list[str]:
    """Store small files that came with a form; a file of the same name is replaced. Returns their names.

    Raises ResourceExhausted (quota, disk), InvalidParameterValue, ResourceConflict.
    """
    taken = []
    for upload in uploads:
        name = str(upload.name or "")
        target = place_of(opened, "/".join((*place.parts, name)), writing=True)
        staged = StagedFile(opened.row.workspace_id)
        try:
            for piece in upload.chunks():
                staged.write(piece)
            staged.commit(target, overwrite=True)
        finally:
            staged.discard()
        taken.append(name)
    return taken


def address(opened: Opened, path: str, method: str) -> str:
    """An address of this site that takes (PUT) or gives (GET) one file for an hour, piece by piece."""
    full = f"{root_of(opened)}/{path.strip('/')}"
    split_path(full)
    who = Who(opened.row.workspace_id, str(opened.caller.user.pk))
    return signed_urls.sign(Signed(who.workspace_id, who.user_id, method, full, signed_urls.expiry(None)), "")


def crumbs(opened: Opened, parts: Iterable[str]) -> list[tuple[str, str]]:
    """Every folder from the volume down to this one, with its address."""
    found = [(opened.row.name, opened.url)]
    done: list[str] = []
    for part in parts:
        done.append(part)
        found.append((part, f"{opened.url}?path={quote('/'.join(done), safe='')}"))
    return found
