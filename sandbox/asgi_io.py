"""Reading requests and sending answers in ASGI applications that stream: bodies capped in size and time, errors as JSON."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.errors import ApiError, BadRequest, RequestTimeout, RequestTooLarge

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]
HeaderList = list[tuple[bytes, bytes]]

WHOLE_ANSWER = "proving_ground.whole_answer"
"""An ASGI extension of the site's HTTP server: a callable (status, headers with content-length, body) that writes a whole answer
in one piece, instead of `send`. It says False, and does nothing, where only `send` can write it."""

JSON_BODY_LIMIT_BYTES = 4 * 1024 * 1024
MAX_QUERY_FIELDS = 200
BODY_PIECE_TIMEOUT_S = 30.0
"""How long the next piece of a request's body may take."""


def query_of(scope: Scope) -> list[tuple[str, str]]:
    """Raises BadRequest for more parameters than any call has."""
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise BadRequest(f"The address has more than {MAX_QUERY_FIELDS} query parameters.") from None


def declared_length(headers: Headers, limit: int) -> int | None:
    """Content-Length, refused at once when it is over the limit; None for a chunked body."""
    value = headers.get(b"content-length")
    if value is None:
        return None
    if not value.isdigit():
        raise BadRequest("Content-Length is not a number.")
    if int(value) > limit:
        raise _too_large(limit)
    return int(value)


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises BadRequest, RequestTooLarge, RequestTimeout."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise BadRequest("Compressed bodies are not read here. Send the JSON uncompressed.")
    declared_length(headers, limit)
    return b"".join([piece async for piece in capped_body(receive, limit)])


async def read_json(headers: Headers, receive: Receive) -> dict[str, Any]:
    """The body as a JSON object, at most 4 MiB; {} when there is none.

    Raises BadRequest, RequestTooLarge, RequestTimeout.
    """
    content = await read_body(headers, receive, JSON_BODY_LIMIT_BYTES)
    if not content:
        return {}
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest(f"The body must be a JSON object, not {type(body).__name__}.")
    return body


async def capped_body(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The request's body in pieces; ends with an error when it is too large, too slow or cut off."""
    received = 0
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), BODY_PIECE_TIMEOUT_S)
        except TimeoutError:
            raise RequestTimeout(f"The body did not arrive: nothing came for {BODY_PIECE_TIMEOUT_S:.0f} s.") from None
        if message["type"] == "http.disconnect":
            raise BadRequest("The connection was closed before the whole body had arrived.")
        piece = message.get("body", b"")
        received += len(piece)
        if received > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
        if piece:
            yield piece


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {limit} bytes, the limit of this call.")


async def send_json(send: Send, status: int, body: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await send_bytes(send, status, orjson.dumps(body), ((b"content-type", b"application/json"), *headers))


async def send_bytes(send: Send, status: int, content: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """A whole answer; 204 goes without a length, as HTTP wants it."""
    length = () if status == 204 else ((b"content-length", str(len(content)).encode()),)
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": content})


async def send_error(send: Send, error: ApiError) -> None:
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if error.status == 401:
        extra = ((b"www-authenticate", b"Bearer"),)
    elif error.status == 503:
        extra = ((b"retry-after", b"2"),)
    elif error.status in {408, 413}:
        extra = ((b"connection", b"close"),)  # the rest of the body is not worth reading
    await send_json(send, error.status, error.body(), extra)
