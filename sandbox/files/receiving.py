"""A request's body on its way into a staged file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings

from sandbox.asgi_io import Headers, Receive, capped_body, declared_length
from sandbox.errors import BadRequest
from sandbox.files.staging import StagedFile

_BUFFER_BYTES = 512 * 1024
"""So much of a body is in memory at most: a thread is asked to write it all at once."""


@asynccontextmanager
async def receive_file(workspace_id: str, headers: Headers, receive: Receive) -> AsyncIterator[StagedFile]:
    """The whole body in a staged file, which is thrown away on leaving unless it was committed.

    Raises BadRequest (cut off), RequestTooLarge, RequestTimeout, ResourceExhausted (quota or disk).
    """
    limit: int = settings.ARTIFACT_BODY_LIMIT_BYTES
    length = declared_length(headers, limit)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise BadRequest("Compressed bodies are not unpacked here. Send the file's bytes as they are.")
    staged = await asyncio.to_thread(StagedFile, workspace_id)
    try:
        buffer = bytearray()
        async for piece in capped_body(receive, limit):
            buffer += piece
            if len(buffer) >= _BUFFER_BYTES:
                await asyncio.to_thread(staged.write, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(staged.write, bytes(buffer))
        if length is not None and staged.size != length:
            raise BadRequest(f"{staged.size} bytes came, Content-Length said {length}. Send the file again.")
        yield staged
    finally:
        await asyncio.shield(asyncio.to_thread(staged.discard))
