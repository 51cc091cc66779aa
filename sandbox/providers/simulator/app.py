"""The simulator's ASGI application: OpenAI's paths, status codes, headers and event streams.

Any key of the form `sk-…` is accepted. What can be provoked, and how, is on its card:
fixtures/models/provider-simulator/card.md.
"""

import array
import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.providers.simulator import answers, bodies
from sandbox.providers.simulator.bodies import Generation, SimulatedError

CREATED_S = 1_735_689_600
"""Every answer carries this time (2025-01-01), so that equal requests get equal answers."""
SLOW_S = 2.0
HANG_S = 600.0
STREAM_PAUSE_S = 0.01

Handler = Callable[[Request], Awaitable[Response]]


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


def _guarded(handler: Handler) -> Handler:
    """Check the key first; answer refusals in OpenAI's error shape."""

    async def guarded(request: Request) -> Response:
        try:
            bodies.check_key(request.headers.get("authorization", ""))
            return await handler(request)
        except SimulatedError as error:
            return _json(error.status, error.body(), {"retry-after": "1"} if error.status == 429 else None)

    return guarded


@_guarded
async def models(_request: Request) -> Response:
    data = [{"id": name, "object": "model", "created": CREATED_S, "owned_by": "simulator"} for name in bodies.MODELS]
    return _json(200, {"object": "list", "data": data})


@_guarded
async def chat(request: Request) -> Response:
    content = await request.body()
    return await _generate(bodies.read_chat(bodies.read_object(content)), content, "chat.completion", "chatcmpl")


@_guarded
async def completions(request: Request) -> Response:
    content = await request.body()
    return await _generate(bodies.read_completion(bodies.read_object(content)), content, "text_completion", "cmpl")


@_guarded
async def embeddings(request: Request) -> Response:
    body = bodies.read_object(await request.body())
    model, texts, dimensions = bodies.read_embeddings(body)
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_base64 else vector}
        for index, vector in enumerate(answers.embedding(text, dimensions) for text in texts)
    ]
    count = sum(len(answers.tokens(text)) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return _json(200, {"object": "list", "data": data, "model": model, "usage": usage})


async def _generate(asked: Generation, content: bytes, kind: str, prefix: str) -> Response:
    what = bodies.check_triggers(asked.prompt, asked.model)
    await asyncio.sleep({"slow": SLOW_S, "hang": HANG_S}.get(what, 0))
    text, reason = answers.cut(answers.reply(asked.prompt, asked.model, as_json=asked.as_json), asked.max_tokens, asked.stop)
    common = {"id": f"{prefix}-{hashlib.sha256(content).hexdigest()[:24]}", "created": CREATED_S, "model": asked.model}
    usage = _usage(asked, text)
    if asked.stream:
        return StreamingResponse(_events(asked, common, kind, text, reason, usage), media_type="text/event-stream")
    choices = [_choice(kind, index, text, reason) for index in range(asked.count)]
    return _json(200, common | {"object": kind, "choices": choices, "usage": usage})


def _choice(kind: str, index: int, text: str, reason: str) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": text}} if kind == "chat.completion" else {"text": text}
    return {"index": index, **said, "logprobs": None, "finish_reason": reason}


def _usage(asked: Generation, text: str) -> dict[str, int]:
    read, written = len(answers.tokens(asked.context)), len(answers.tokens(text)) * asked.count
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


async def _events(
    asked: Generation, common: dict[str, Any], kind: str, text: str, reason: str, usage: dict[str, int]
) -> AsyncIterator[bytes]:
    """The same answer as server-sent events: word by word, the usage when asked for, then [DONE]."""
    base = common | {"object": "chat.completion.chunk" if kind == "chat.completion" else kind}
    for index in range(asked.count):
        for part in _parts(kind, text, reason):
            yield _event(base | {"choices": [{"index": index, "logprobs": None, **part}]})
            await asyncio.sleep(STREAM_PAUSE_S)
    if asked.include_usage:
        yield _event(base | {"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _parts(kind: str, text: str, reason: str) -> list[dict[str, Any]]:
    words = [word if position == 0 else f" {word}" for position, word in enumerate(text.split(" "))]
    if kind != "chat.completion":
        return [{"text": word, "finish_reason": None} for word in words] + [{"text": "", "finish_reason": reason}]
    first = {"delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    said = [{"delta": {"content": word}, "finish_reason": None} for word in words]
    return [first, *said, {"delta": {}, "finish_reason": reason}]


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _packed(vector: list[float]) -> str:
    """Little-endian float32 in base64, as the official client asks for it."""
    return base64.b64encode(array.array("f", vector).tobytes()).decode()


app = Starlette(
    routes=[
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/completions", completions, methods=["POST"]),
        Route("/v1/embeddings", embeddings, methods=["POST"]),
    ]
)
