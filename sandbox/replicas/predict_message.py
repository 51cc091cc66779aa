"""The message that carries requests to a replica, written by gateways and read by the replica's Celery worker.

It is Celery's envelope (protocol 2 in kombu's Redis form) on one line, and behind it, instead of inside it, the body: a line of
JSON that describes the requests, then their bodies as the clients sent them. To write and read JSON in base64 within JSON, as
kombu's own producer does, costs several times what reading the rows costs (measured: 300 us for 50 KB).
"""

from typing import Any

import orjson

from sandbox.replicas.messages import REPLICA_PREDICT

CONTENT_TYPE = "application/x-invocations"
_BODY = 1
"""Where a request's body stands in `Request.wire()`; in the message its length in bytes stands there."""


def predict_message(queue: str, reply_list: str, message_id: str, requests: list[list[Any]], label: str) -> bytes:
    """`requests`: each as `Request.wire()` gives it; the lists are changed."""
    bodies = []
    for request in requests:
        bodies.append(body := request[_BODY].encode())
        request[_BODY] = len(body)
    envelope = {
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
    head = orjson.dumps((reply_list, message_id, requests, label), option=orjson.OPT_APPEND_NEWLINE)
    return b"".join((orjson.dumps(envelope, option=orjson.OPT_APPEND_NEWLINE), head, *bodies))


def read_predict(body: bytes) -> tuple[str, str, list[list[Any]]]:
    """(reply list, message id, requests) of the body of a message; each request as `Request.wire()` gave it."""
    start = body.index(b"\n") + 1
    view = memoryview(body)  # each body is copied once
    reply_list, message_id, requests, _ = orjson.loads(view[:start])
    for request in requests:
        end = start + request[_BODY]
        request[_BODY] = str(view[start:end], "utf-8")
        start = end
    return reply_list, message_id, requests


def read_envelope(text: str) -> dict[str, Any]:
    """The envelope as kombu wants it, with its body, which may be inside or behind it."""
    envelope, newline, body = text.partition("\n")
    message: dict[str, Any] = orjson.loads(envelope)
    if newline:
        message["body"] = body
    return message
