"""Sends an invocation to our own gateway over HTTP, as any client would, with a token that lives for minutes."""

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from sandbox.workspaces import operations
from sandbox.workspaces.models import User, Workspace

TOKEN_LIFETIME_S = 600
SHOWN_CHARACTERS = 20_000
_SHOWN_HEADERS = ("content-type", "served-model-name", "x-databricks-request-id", "retry-after")


@dataclass(frozen=True)
class Exchange:
    """What came back. `status` 0: nothing did, and `body` says why. `took_ms` is measured at this side."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: str
    took_ms: float
    answer: Any = None
    """The body as JSON; None when it is none."""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def served_by(self) -> str:
        """The served entity that answered; empty when the answer does not say."""
        return dict(self.headers).get("served-model-name", "")

    @property
    def shown_body(self) -> str:
        """The body for reading: indented when it is JSON, cut where it is long."""
        text = self.body if self.answer is None else json.dumps(self.answer, indent=2, ensure_ascii=False)
        return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "\n… (cut here; curl shows all of it)"


def invoke(workspace: Workspace, user: User, endpoint: str, body: dict[str, Any]) -> Exchange:
    """POST the body to the endpoint's invocations address and time it."""
    token, plain = operations.issue_token(workspace, user, "query panel", TOKEN_LIFETIME_S)
    try:
        return _post(f"{_base_url()}/serving-endpoints/{endpoint}/invocations", plain, body)
    finally:
        operations.revoke_token(workspace, token.id)


def _base_url() -> str:
    host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::", ""} else settings.HOST  # noqa: S104 - comparing, not binding
    return f"http://{host}:{settings.PORT}"


def _post(url: str, token: str, body: dict[str, Any]) -> Exchange:
    began = time.perf_counter()
    try:
        with httpx.Client(timeout=settings.INVOCATION_TIMEOUT_S + 5, trust_env=False) as client:
            response = client.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
    except httpx.HTTPError as error:
        sentence = f"The gateway could not be reached ({type(error).__name__}). Is the site's web process running?"
        return Exchange(0, "No answer", (), sentence, _since_ms(began))
    took_ms = _since_ms(began)
    shown = tuple((name, response.headers[name]) for name in _SHOWN_HEADERS if name in response.headers)
    return Exchange(response.status_code, response.reason_phrase, shown, response.text, took_ms, _json(response))


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _since_ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
