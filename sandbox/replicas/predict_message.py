"""The message that carries requests to a replica, written by gateways and read by the replica's Celery worker.

It is Celery's envelope (protocol 2 in kombu's Redis form) on one line, and behind it, instead of inside it, the body: a line of
JSON that describes the requests, then their bodies as the clients sent them. To write and read JSON in base64 within JSON, as
kombu's own producer does, costs several times what reading the rows costs (measured: 300 us for 50 KB).

Where the bodies are large they stand under a key of their own (`sandbox.inference_tables.bodies`) instead: there the drain finds
them too, and they pass through Redis once instead of twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.inference_tables.bodies import KEPT_S, bodies_key
from sandbox.replicas.messages import REPLICA_PREDICT

CONTENT_TYPE = "application/x-invocations"
APART_FROM_BYTES = 32 * 1024
"""A key costs a command more on all sides."""
_BODY = 1
"""Where a request's body stands in `Request.wire()`; in the message its length in bytes stands there."""
_TABLE = 3

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True)
class PredictMessage:
    """What a replica is sent."""

    reply_list: str
    message_id: str
    requests: list[list[Any]]
    """Each as `Request.wire()` gave it, with its body as text."""
    spans: list[tuple[int, int]]
    """Where each request's body stands below `key`."""
    key: str = ""
    """Empty for bodies that came with the message."""
    is_lost: bool = False
    """The bodies have gone, with all that Redis held; here they are empty."""


def predict_commands(queue: str, reply_list: str, message_id: str, requests: list[list[Any]], label: str) -> list[Command]:
    """The Redis commands that send a message, in order. `requests`: each as `Request.wire()` gives it; the lists are changed."""
    bodies: list[bytes] = [request[_BODY] for request in requests]
    for request, body in zip(requests, bodies, strict=True):
        request[_BODY] = len(body)
    is_apart = sum(map(len, bodies)) >= APART_FROM_BYTES and any(request[_TABLE] for request in requests)
    key = bodies_key(reply_list, message_id) if is_apart else ""
    head = orjson.dumps((reply_list, message_id, requests, label, key), option=orjson.OPT_APPEND_NEWLINE)
    lines = (orjson.dumps(_envelope(queue, message_id), option=orjson.OPT_APPEND_NEWLINE), head)
    if not is_apart:
        return [("LPUSH", queue, b"".join((*lines, *bodies)))]
    return [("SET", key, b"".join(bodies), "EX", KEPT_S), ("LPUSH", queue, b"".join(lines))]


def _envelope(queue: str, message_id: str) -> dict[str, Any]:
    return {
        "body": "",
        "content-encoding": "utf-8",
        "content-type": CONTENT_TYPE,
        "headers": {"lang": "py", "task": REPLICA_PREDICT, "id": message_id, "root_id": message_id, "ignore_result": True},
        "properties": {
            "correlation_id": message_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "delivery_tag": message_id,
        },
    }


def read_predict(body: bytes, fetch: Callable[[str], bytes | None]) -> PredictMessage:
    """The body of a message. `fetch` reads a key, None when there is none."""
    start = body.index(b"\n") + 1
    view = memoryview(body)  # each body is copied once
    reply_list, message_id, requests, _, key = orjson.loads(view[:start])
    if key:
        apart = fetch(key)
        if apart is None:
            return _lost(reply_list, message_id, requests)
        view, start = memoryview(apart), 0
    spans = []
    for request in requests:
        end = start + request[_BODY]
        request[_BODY] = str(view[start:end], "utf-8")
        spans.append((start, end))
        start = end
    return PredictMessage(reply_list, message_id, requests, spans, key)


def _lost(reply_list: str, message_id: str, requests: list[list[Any]]) -> PredictMessage:
    for request in requests:
        request[_BODY] = ""
    return PredictMessage(reply_list, message_id, requests, [], is_lost=True)


def read_envelope(text: str) -> dict[str, Any]:
    """The envelope as kombu wants it, with its body, which may be inside or behind it."""
    envelope, newline, body = text.partition("\n")
    message: dict[str, Any] = orjson.loads(envelope)
    if newline:
        message["body"] = body
    return message
