"""What the gateway sends back: a status, a JSON body and the headers that clients read."""

from dataclasses import dataclass

import orjson

from sandbox.asgi_io import WHOLE_ANSWER, HeaderList, Scope, Send
from sandbox.errors import ApiError


@dataclass(slots=True)
class Answer:
    """A complete answer; `model_ms` is the time inside the model, for the inference table."""

    status: int
    body: bytes
    served_entity_name: str = ""
    retry_after_s: int = 0


def error_answer(error: ApiError, retry_after_s: int = 0) -> Answer:
    """The error in the provider's shape."""
    return Answer(error.status, orjson.dumps(error.body()), retry_after_s=retry_after_s)


def headers(answer: Answer, request_id: str) -> HeaderList:
    """Response headers: `served-model-name` is what the SDK reads as `served_model_name`."""
    found = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-databricks-request-id", request_id.encode()),
    ]
    if answer.served_entity_name:
        found.append((b"served-model-name", answer.served_entity_name.encode()))
    if answer.retry_after_s:
        found.append((b"retry-after", str(answer.retry_after_s).encode()))
    return found


async def deliver(answer: Answer, request_id: str, scope: Scope, send: Send) -> None:
    """Send the answer, in one piece where the server can."""
    head = headers(answer, request_id)
    write = scope.get("extensions", {}).get(WHOLE_ANSWER)
    if write is None or not write(answer.status, head, answer.body):
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body})
