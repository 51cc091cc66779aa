"""Invocations of external models: one guarded call to the provider, streamed or whole, captured like any other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import redis

from sandbox.errors import ApiError, BadRequest
from sandbox.inference_tables import capture
from sandbox.invocations import limits
from sandbox.invocations.answers import Answer, error_answer
from sandbox.live import LiveEndpoint, LiveEntity, LiveToken
from sandbox.providers import Provider, provider_for

logger = logging.getLogger(__name__)
Send = Callable[[dict[str, Any]], Awaitable[None]]
CAPTURE_ATTEMPTS = 25


async def answer(
    connection: Any,
    endpoint: LiveEndpoint,
    entity: LiveEntity,
    token: LiveToken,
    table: str,
    body: bytes,
    request_id: str,
    send: Send,
    timeout_s: float,
) -> Answer | None:
    """Ask the provider; None when the answer has been streamed to the client already."""
    received_s = time.time()
    client_request_id: str | None = None
    started = time.perf_counter()
    streamed = False
    try:
        request = _read(body)
        client_request_id = _client_request_id(request)
        provider = provider_for(entity.external)
        if request.get("stream") and entity.external["task"] != "llm/v1/embeddings":
            streamed = True
            status, text = await _stream(provider, entity, request, request_id, send, timeout_s)
        else:
            found = await provider.query(entity.external, entity.external["task"], request, deadline_s=timeout_s)
            status, text = found.status, found.body.decode("utf-8", "replace")
    except ApiError as error:
        failed = error_answer(error)
        status, text = failed.status, failed.body.decode()
    if endpoint.limits:
        await _count_tokens(connection, endpoint, token, body, text)
    if table:
        record: capture.CaptureRecord = {
            "id": request_id,
            "client": client_request_id,
            "ws": token.workspace_id,
            "table": table,
            "t": received_s,
            "status": status,
            "ms": (time.perf_counter() - started) * 1000,
            "req": body.decode("utf-8", "replace"),
            "resp": text,
            "entity": entity.entity_id,
            "who": token.requester,
        }
        try:
            await _capture(connection, record)
        except redis.RedisError as error:
            if not (streamed and status == 200):
                raise  # the caller hears 503: what is answered is logged
            logger.error("the streamed answer %s could not be logged: %s", request_id, error)
    if streamed and status == 200:
        await send({"type": "http.response.body", "body": b""})
        return None
    return Answer(status, text.encode(), entity.name)


async def _count_tokens(connection: Any, endpoint: LiveEndpoint, token: LiveToken, body: bytes, answered: str) -> None:
    """An answer that has come is given whether or not it could be counted."""
    try:
        await limits.count_tokens(connection, endpoint, token, body.decode("utf-8", "replace"), answered)
    except redis.RedisError as error:
        logger.warning("tokens of endpoint %s not counted: %s", endpoint.name, error)


async def _capture(connection: Any, record: capture.CaptureRecord) -> None:
    """Log before answering. While Redis restarts, try again: the drain keeps one of two records with the same id."""
    for attempt in range(CAPTURE_ATTEMPTS):
        try:
            await capture.append(connection, [record])
            return
        except redis.RedisError:
            if attempt == CAPTURE_ATTEMPTS - 1:
                raise
            await asyncio.sleep(0.2)


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"Invalid input. Ensure that input is a valid JSON formatted string. Error: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest("The body must be a JSON object with the fields of the endpoint's task, such as 'messages'.")
    return request


def _client_request_id(request: dict[str, Any]) -> str | None:
    value = request.pop("client_request_id", None)
    request.pop("usage_context", None)
    return None if value is None else str(value)


async def _stream(
    provider: Provider, entity: LiveEntity, request: dict[str, Any], request_id: str, send: Send, timeout_s: float
) -> tuple[int, str]:
    """Pass the provider's events on as they come; the aggregate is what the inference table keeps."""
    task = entity.external["task"]
    events: list[bytes] = []
    async for event in provider.stream(entity.external, task, request, deadline_s=timeout_s):
        if not events:
            await send({"type": "http.response.start", "status": 200, "headers": _stream_headers(entity, request_id)})
        events.append(event)
        await send({"type": "http.response.body", "body": event, "more_body": True})
    return 200, provider.aggregate(task, b"".join(events)).decode("utf-8", "replace")


def _stream_headers(entity: LiveEntity, request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"served-model-name", entity.name.encode()),
        (b"x-databricks-request-id", request_id.encode()),
    ]
