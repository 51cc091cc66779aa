"""Sends an invocation to our own gateway over HTTP, as any client would, with a token that lives for minutes."""

import time
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
from django.conf import settings

from sandbox.console.json_text import readable
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
        text = self.body if self.answer is None else readable(self.answer)
        return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "\n… (cut here; curl shows all of it)"


@dataclass(frozen=True)
class Answerer:
    """A served entity, how many of the requests it answered, and its colour in the picture."""

    name: str
    count: int
    tone: int


@dataclass(frozen=True)
class Series:
    """The same request sent several times, one after the other."""

    exchanges: tuple[Exchange, ...]

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]

    @property
    def answerers(self) -> list[Answerer]:
        """By name, so that a colour means the same entity each time."""
        counts = Counter(exchange.served_by for exchange in self.exchanges if exchange.served_by)
        return [Answerer(name, counts[name], tone) for tone, name in enumerate(sorted(counts), start=1)]

    @property
    def statuses(self) -> list[tuple[int, int]]:
        """Status and how often it came."""
        return sorted(Counter(exchange.status for exchange in self.exchanges).items())

    @property
    def median_ms(self) -> float:
        return median(exchange.took_ms for exchange in self.exchanges)


def invoke(
    workspace: Workspace, user: User, endpoint: str, body: dict[str, Any], times: int = 1, *, served_entity: str = ""
) -> Series:
    """POST the body to the endpoint's invocations address, or to one served entity's, `times` times.

    It stops when one does not reach the gateway.
    """
    token, plain = operations.issue_token(workspace, user, "query panel", TOKEN_LIFETIME_S)
    entity = f"/served-models/{served_entity}" if served_entity else ""
    url = f"{_base_url()}/serving-endpoints/{endpoint}{entity}/invocations"
    timeout_s = settings.INVOCATION_TIMEOUT_S + 5
    exchanges: list[Exchange] = []
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False, headers={"Authorization": f"Bearer {plain}"}) as client:
            while len(exchanges) < times and (not exchanges or exchanges[-1].status):
                exchanges.append(_post(client, url, body))
    finally:
        operations.revoke_token(workspace, token.id)
    return Series(tuple(exchanges))


def _base_url() -> str:
    host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::", ""} else settings.HOST  # noqa: S104 - comparing, not binding
    return f"http://{host}:{settings.PORT}"


def _post(client: httpx.Client, url: str, body: dict[str, Any]) -> Exchange:
    began = time.perf_counter()
    try:
        response = client.post(url, json=body)
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
