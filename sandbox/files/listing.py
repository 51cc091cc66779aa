"""One page of a folder's list, by name."""

import base64
import binascii
from typing import Any

from sandbox.errors import InvalidParameterValue
from sandbox.files.tree import Place, list_folder

MAX_PAGE_SIZE = 1_000


def list_page(place: Place, page_size: str | None, page_token: str | None) -> dict[str, Any]:
    """`contents` after the entry that the token names, and `next_page_token` when more follow.

    Raises NotFound for what is no folder, InvalidParameterValue for a size or token that cannot be.
    """
    size = _size(page_size)
    after = _decoded(page_token) if page_token else ""
    entries = [entry for entry in list_folder(place) if entry.name > after]
    page = entries[:size]
    contents = [
        {
            "path": f"{place.path}/{entry.name}",
            "name": entry.name,
            "is_directory": entry.is_directory,
            "last_modified": entry.last_modified_ms,
        }
        | ({} if entry.is_directory else {"file_size": entry.file_size})
        for entry in page
    ]
    more = {"next_page_token": _encoded(page[-1].name)} if len(entries) > size else {}
    return {"contents": contents} | more


def _size(page_size: str | None) -> int:
    if page_size in (None, ""):
        return MAX_PAGE_SIZE
    if not str(page_size).isdecimal() or not 0 < len(str(page_size)) < 10:
        raise InvalidParameterValue(f"page_size {str(page_size)[:80]!r} is not a whole number from 1 to {MAX_PAGE_SIZE}.")
    return min(int(str(page_size)), MAX_PAGE_SIZE) or MAX_PAGE_SIZE


def _encoded(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode("utf-8", "surrogateescape")).decode()


def _decoded(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise InvalidParameterValue(f"page_token {token[:80]!r} did not come from a list. Begin without one.") from None
