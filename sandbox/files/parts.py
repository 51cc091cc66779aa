"""Uploads in parts, as the SDK sends files over 50 MB: begun, filled in any order, then made one file or given up."""

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from sandbox.errors import InvalidParameterValue, NotFound, RequestTooLarge
from sandbox.files import quota, signed_urls
from sandbox.files.places import Who
from sandbox.files.staging import StagedFile, staging_folder
from sandbox.files.tree import Place

MAX_PARTS = 1_000


@dataclass(frozen=True)
class Session:
    """An upload that was begun. Its parts lie in a folder of their own, out of sight."""

    workspace_id: str
    path: str
    overwrite: bool
    id: str

    @property
    def token(self) -> str:
        return signed_urls.seal(asdict(self))

    @property
    def folder(self) -> Path:
        return staging_folder(self.workspace_id) / f"parts-{self.id}"

    def part(self, number: int) -> Path:
        return self.folder / f"{number:06d}"


def begin(who: Who, path: str, *, overwrite: bool) -> Session:
    session = Session(who.workspace_id, path.rstrip("/"), overwrite, secrets.token_hex(16))
    quota.take(who.workspace_id, quota.ENTRY_BYTES)
    session.folder.mkdir(mode=0o700)
    return session


def find(who: Who, path: str, token: Any) -> Session:
    """The session that the token names. Raises NotFound unless it is of this workspace and path and was not ended."""
    facts = signed_urls.unseal(str(token))
    session = Session(**facts) if facts is not None else None
    if session is None or session.workspace_id != who.workspace_id or session.path != path.rstrip("/"):
        raise NotFound("There is no such upload session for this path. Begin the upload again.")
    return open_session(session)


def open_session(session: Session) -> Session:
    if not session.folder.is_dir():
        raise NotFound("The upload session has ended. Begin the upload again.")
    return session


def part_numbers(first: Any, count: Any) -> range:
    """Raises InvalidParameterValue."""
    if not isinstance(first, int) or not isinstance(count, int) or first < 1 or count < 1 or first + count - 1 > MAX_PARTS:
        raise InvalidParameterValue(f"start_part_number and count must be whole numbers within 1 to {MAX_PARTS} parts.")
    return range(first, first + count)


def store_part(session: Session, number: int, staged: StagedFile) -> str:
    """Keep a received part, in place of an earlier try; returns its ETag."""
    target = open_session(session).part(number)
    earlier = target.stat().st_size if target.exists() else None
    total = sum(path.stat().st_size for path in session.folder.iterdir()) - (earlier or 0) + staged.size
    if total > settings.ARTIFACT_BODY_LIMIT_BYTES:
        raise RequestTooLarge(
            f"The parts are together larger than {settings.ARTIFACT_BODY_LIMIT_BYTES} bytes, the limit of a file."
        )
    staged.commit_as(target)
    if earlier is not None:
        quota.give_back(session.workspace_id, quota.counted(earlier))
    return _etag(target)


def complete(session: Session, parts: Any, place: Place) -> None:
    """Make the named parts one file, in their order. Raises InvalidParameterValue when one is not as it was sent."""
    files = [_checked_part(session, part) for part in _in_order(parts)]
    with StagedFile(session.workspace_id) as whole:
        for file in files:
            whole.append_file(file)
        whole.commit(place, overwrite=session.overwrite)
    shutil.rmtree(session.folder, ignore_errors=True)


def abort(session: Session) -> None:
    """Throw the parts away."""
    sizes = [path.stat().st_size for path in session.folder.iterdir()] if session.folder.is_dir() else []
    shutil.rmtree(session.folder, ignore_errors=True)
    quota.give_back(session.workspace_id, sum(map(quota.counted, sizes)) + quota.ENTRY_BYTES)


def _in_order(parts: Any) -> Sequence[dict[str, Any]]:
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise InvalidParameterValue("parts must be a list of {part_number, etag}, one for each part that was sent.")
    numbers = [part.get("part_number") for part in parts]
    if numbers != list(range(1, len(parts) + 1)):
        raise InvalidParameterValue("parts must be in order and without gaps: part_number 1, 2, 3 and so on.")
    return parts


def _checked_part(session: Session, part: dict[str, Any]) -> Path:
    path = session.part(part["part_number"])
    if not path.is_file() or _etag(path) != part.get("etag"):
        raise InvalidParameterValue(f"Part {part['part_number']} was not received as its etag says. Send it again.")
    return path


def _etag(path: Path) -> str:
    facts = path.stat()
    return f'"{facts.st_size:x}-{facts.st_mtime_ns:x}-{facts.st_ino:x}"'
