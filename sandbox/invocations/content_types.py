"""The content type of an invocation, as it travels to the replica that reads the body."""

import base64
from typing import Any

from sandbox.errors import BadRequest
from sandbox.replicas.requests import PARQUET

_PLAIN = {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}


def content_type(scope: dict[str, Any]) -> str:
    """Empty for JSON, and when the client named none (MLflow's server fails on that, see README)."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return "" if value.lower() in _PLAIN else str(value.decode("latin-1"))
    return ""


def body_text(body: bytes, kind: str) -> bytes:
    """The body as UTF-8 text; base64 for Parquet, which is none. Raises BadRequest for bytes that are no UTF-8."""
    if kind.startswith(PARQUET):
        return base64.b64encode(body)
    try:
        if not body.isascii():
            body.decode()
        return body
    except UnicodeDecodeError as error:
        form = "UTF-8 encoded string" if kind else "JSON formatted string"
        raise BadRequest(f"Invalid input. Ensure that input is a valid {form}. Error: '{error!r}'") from None
