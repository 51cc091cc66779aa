"""A file as an HTTP answer: whole or a range of it, read piece by piece."""

import asyncio
import os
import re
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime

from sandbox.asgi_io import Headers, Send, send_bytes, send_json
from sandbox.errors import ApiError
from sandbox.files.tree import Place, open_file

__all__ = ["send_file", "send_json"]

_PIECE_BYTES = 512 * 1024
_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})")


class PreconditionFailed(ApiError):
    """412: the file has changed since the client looked."""

    status, error_code = 412, "ABORTED"


async def send_file(send: Send, method: str, headers: Headers, place: Place) -> None:
    """GET or HEAD of a file, with Range and If-Unmodified-Since. Raises NotFound and PreconditionFailed."""
    descriptor, facts = await asyncio.to_thread(open_file, place)
    try:
        _check_unmodified(headers, facts, place)
        size = facts.st_size
        wanted = _range(headers.get(b"range", b""), size)
        common = (
            (b"content-type", b"application/octet-stream"),
            (b"last-modified", formatdate(facts.st_mtime, usegmt=True).encode()),
            (b"accept-ranges", b"bytes"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"sandbox; default-src 'none'"),
        )
        if wanted is not None and wanted[0] > wanted[1]:
            await send_bytes(send, 416, b"", ((b"content-range", f"bytes */{size}".encode()), *common))
            return
        first, last = wanted or (0, size - 1)
        status, extra = (200, ()) if wanted is None else (206, ((b"content-range", f"bytes {first}-{last}/{size}".encode()),))
        length = (b"content-length", str(last - first + 1).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*common, *extra, length]})
        if method == "GET":
            await _send_pieces(send, descriptor, first, last + 1)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        os.close(descriptor)


async def _send_pieces(send: Send, descriptor: int, position: int, end: int) -> None:
    while position < end:
        piece = await asyncio.to_thread(os.pread, descriptor, min(_PIECE_BYTES, end - position), position)
        if not piece:  # it was cut short; the length is promised, so only a broken connection can still say so
            raise OSError("a file became shorter while it was being sent")
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        position += len(piece)


def _check_unmodified(headers: Headers, facts: os.stat_result, place: Place) -> None:
    value = headers.get(b"if-unmodified-since")
    if value is None:
        return
    try:
        since = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError):
        return  # HTTP wants a date that cannot be read to be ignored
    if int(facts.st_mtime) > (since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp():
        raise PreconditionFailed(f"{place.path[:1100]} has changed since {value.decode('latin-1')[:80]}. Read it from the start.")


def _range(value: bytes, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None for none or one that HTTP lets us ignore; first > last: beyond the end."""
    match = _RANGE.fullmatch(value.strip())
    if match is None or match[0] == b"bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else (1, 0)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        return (1, 0)
    return (int(first), min(int(last), size - 1) if last else size - 1)
