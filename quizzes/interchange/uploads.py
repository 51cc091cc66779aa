"""Uploaded files between dry run and confirmation: in DATA_DIR/imports, named by their run, gone after an hour."""

import os
import time
from pathlib import Path

from django.conf import settings

KEPT_S = 3600


def folder() -> Path:
    """Readable by this site alone."""
    found = Path(settings.DATA_DIR) / "imports"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


def path_of(run_id: int) -> Path:
    """Where the file of a run lies; its name comes from the run and never from the upload."""
    return folder() / f"import-{int(run_id)}"


def keep(run_id: int, data: bytes) -> None:
    """Write the file so that it is there as a whole or not at all."""
    path = path_of(run_id)
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    path.with_suffix(".new").replace(path)


def read(run_id: int) -> bytes | None:
    """The file's bytes; None when its hour is over."""
    try:
        return path_of(run_id).read_bytes()
    except FileNotFoundError:
        return None


def forget(run_id: int) -> None:
    path_of(run_id).unlink(missing_ok=True)


def forget_old() -> int:
    """Delete what is older than an hour; the number of files."""
    limit, count = time.time() - KEPT_S, 0
    for path in folder().iterdir():
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
            count += 1
    return count
