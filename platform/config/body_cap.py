"""Caps bodies before Django sees them: Django's ASGI handler spools a body of any size to disk first."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def body_cap(app: App, *, limit_bytes: int, timeout_s: float) -> App:
    """Refuse by Content-Length at once, count the bytes that come, bound the time that they take."""

    async def capped(scope: Scope, receive: Receive, send: Send) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > limit_bytes:
            await _refuse(send, 413, "REQUEST_TOO_LARGE", f"The body is over the limit of {limit_bytes // 1024} KB.")
            return
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(timeout_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > limit_bytes:
                        await _refuse(send, 413, "REQUEST_TOO_LARGE", f"The body is over the limit of {limit_bytes // 1024} KB.")
                        return
                    more = message.get("more_body", False)
        except TimeoutError:
            await _refuse(send, 408, "REQUEST_TIMEOUT", f"The body did not arrive within {timeout_s:.0f} s.")
            return
        pending = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

        async def replay() -> dict[str, Any]:
            return pending.pop() if pending else await receive()

        await app(scope, replay, send)

    return capped


async def _refuse(send: Send, status: int, error_code: str, message: str) -> None:
    body = json.dumps({"error_code": error_code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
