"""Results in Arrow: files of this site that signed links give for a quarter of an hour [docs: EXTERNAL_LINKS, ARROW_STREAM]."""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest

from sandbox.errors import ResourceDoesNotExist
from sandbox.sql.kept import KEEP_S

PREFIX = "/api/2.0/sql/results/"
VALID_S = 900
KEEP_PER_PERSON = 4
"""Results; each has up to `limits.LINKED_LIMITS`."""
_SALT = "sandbox.sql.linked"


def keeper(workspace_id: str, user_id: int, statement_id: str) -> Callable[[bytes], None]:
    """What takes the parts of a result, one after the other. The person's older results are deleted when the first one comes."""
    folder = _root(workspace_id, user_id) / statement_id

    def keep(part: bytes) -> None:
        if not folder.exists():
            _forget_older(folder.parent)
            folder.mkdir(parents=True, mode=0o700)
        (folder / str(len(list(folder.iterdir())))).write_bytes(part)

    return keep


def sizes(workspace_id: str, user_id: int, statement_id: str, count: int) -> list[int]:
    """Bytes of each part."""
    folder = _root(workspace_id, user_id) / statement_id
    return [(folder / str(index)).stat().st_size for index in range(count)]


def base_of(request: HttpRequest) -> str:
    """Scheme and host by which the client reached us."""
    scheme = "https" if settings.SECURE_COOKIES else request.scheme
    return f"{scheme}://{request.get_host()}"


def link(base: str, workspace_id: str, user_id: int, statement_id: str, index: int) -> dict[str, Any]:
    """`external_link` and `expiration` of one part."""
    token = signing.dumps([workspace_id, user_id, statement_id, index], salt=_SALT)
    until = datetime.fromtimestamp(time.time() + VALID_S, UTC)
    return {"external_link": f"{base}{PREFIX}{token}", "expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


def read(token: str) -> bytes:
    """The part that a link names. Raises ResourceDoesNotExist when the link is over, not ours, or the result is forgotten."""
    try:
        workspace_id, user_id, statement_id, index = signing.loads(token, salt=_SALT, max_age=VALID_S)
        part = _root(str(workspace_id), int(user_id)) / str(statement_id) / str(index)
        return part.read_bytes()
    except (signing.BadSignature, FileNotFoundError):
        raise ResourceDoesNotExist("The link of the result has expired. Get the statement's chunk again for a new one.") from None


def _root(workspace_id: str, user_id: int) -> Path:
    root: Path = settings.DATA_DIR / "sql_results"
    return root / workspace_id / str(user_id)


def _forget_older(folder: Path) -> None:
    """All but the newest results of the person, and everybody's that are over."""
    results = sorted((each for each in folder.glob("*")), key=_modified_s, reverse=True)
    over = [each for each in folder.parent.parent.glob("*/*/*") if _modified_s(each) < time.time() - KEEP_S]
    for each in {*results[KEEP_PER_PERSON - 1 :], *over}:
        shutil.rmtree(each, ignore_errors=True)


def _modified_s(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another process was faster
        return 0.0
