"""What every provider does alike: one guarded call, its answer or its error, the key taken out of both."""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from sandbox.errors import ApiError, InvalidParameterValue, InvalidState
from sandbox.providers import guard
from sandbox.providers.redaction import Redactor
from sandbox.workspaces.encryption import decrypt

CHAT, COMPLETIONS, EMBEDDINGS = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"
REQUIRED_FIELDS = {CHAT: "messages", COMPLETIONS: "prompt", EMBEDDINGS: "input"}
ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_API_KEY = re.compile(r"[\x21-\x7e]{8,512}")
_KEPT_ERROR_STATUSES = range(400, 600)


@dataclass(frozen=True)
class ProviderAnswer:
    """A whole answer as it goes to the client: the provider's status and a JSON body."""

    status: int
    body: bytes


@dataclass(frozen=True)
class ProviderRequest:
    """One call of a provider's API."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]


class ProviderError(ApiError):
    """The provider answered with an error: its status, its own body under `external_model_message`.

    The two fields are those that users quote (serving_semantics.md B3); `error_code` and `message` make official
    clients raise the right exception.
    """

    def __init__(self, provider: str, status: int, content: bytes) -> None:
        self.status = status if status in _KEPT_ERROR_STATUSES else 502
        self.error_code = ERROR_CODES.get(self.status, "BAD_REQUEST" if self.status < 500 else "INTERNAL_ERROR")
        super().__init__(f"Received error from {provider} (status {status}).")
        self.external_model_message = _json_or_text(content)

    def body(self) -> dict[str, Any]:
        return super().body() | {"error": self.message, "external_model_message": self.external_model_message}


class Provider(ABC):
    """An adapter to an external model's API.

    `external` is the dict of `sandbox.live.LiveEntity.external`: provider, model, task, base_url, api_key_ciphertext.
    """

    name: str

    @abstractmethod
    def request(self, external: dict[str, Any], task: str, body: dict[str, Any], api_key: str) -> ProviderRequest:
        """The provider's form of a body in the unified (OpenAI) form."""

    @abstractmethod
    def aggregate(self, task: str, events: bytes) -> bytes:
        """The one answer that a stream of events adds up to, as the inference table keeps it."""

    async def query(self, external: dict[str, Any], task: str, body: dict[str, Any], *, deadline_s: float) -> ProviderAnswer:
        """Ask and wait for the whole answer; an error of the provider is an answer too.

        Raises:
            InvalidParameterValue: the body does not fit the task.
            DeadlineExceeded: the provider took longer than `deadline_s` seconds.
            ProviderUnreachable: there was no usable answer.
        """
        api_key, prepared = self._prepare(external, task, body | {"stream": False} if body.get("stream") else body)
        redactor = Redactor(api_key)
        async with guard.Deadline(deadline_s), _open(prepared) as response:
            content = b"".join([piece async for piece in guard.pieces(response)])
        clean = redactor.body(content)
        if response.status_code != 200:
            error = ProviderError(self.name, response.status_code, clean)
            return ProviderAnswer(error.status, orjson.dumps(error.body()))
        if not isinstance(_json_or_text(clean), dict):
            raise guard.ProviderUnreachable(f"{self.name} answered something that is not a JSON object.")
        return ProviderAnswer(200, clean)

    async def stream(
        self, external: dict[str, Any], task: str, body: dict[str, Any], *, deadline_s: float
    ) -> AsyncIterator[bytes]:
        """Ask and pass the events on as they come, whole lines at a time.

        What goes wrong before the first event is raised, as by `query` (an error of the provider as ProviderError);
        what goes wrong later ends the stream with one event that says so.
        """
        api_key, prepared = self._prepare(external, task, body | {"stream": True})
        events = self._events(prepared, Redactor(api_key), guard.Deadline(deadline_s))
        begun = False
        try:
            async for lines in events:
                begun = True
                yield lines
        except ApiError as error:
            if not begun:
                raise
            yield b"data: " + orjson.dumps(error.body()) + b"\n\n"

    async def _events(self, prepared: ProviderRequest, redactor: Redactor, deadline: guard.Deadline) -> AsyncIterator[bytes]:
        async with AsyncExitStack() as stack:
            async with deadline:
                response = await stack.enter_async_context(_open(prepared))
                if response.status_code != 200:
                    content = b"".join([piece async for piece in guard.pieces(response)])
                    raise ProviderError(self.name, response.status_code, redactor.body(content))
            arriving = _lines(response)
            while True:
                async with deadline:
                    lines = await anext(arriving, None)
                if lines is None:
                    return
                yield b"\n".join(redactor.line(line) for line in lines) + b"\n"

    def _prepare(self, external: dict[str, Any], task: str, body: dict[str, Any]) -> tuple[str, ProviderRequest]:
        required = REQUIRED_FIELDS.get(task)
        if required is None:
            raise InvalidParameterValue(f"Task {task!r} is not one of {', '.join(REQUIRED_FIELDS)}.")
        if not body.get(required):
            raise InvalidParameterValue(
                f"The request must have the field {required!r}, because the task of this endpoint is {task}. "
                f"Received fields: {sorted(set(body) - {'stream'})}."
            )
        api_key = _plain_key(external.get("api_key_ciphertext", ""))
        return api_key, self.request(external, task, body, api_key)


def _open(prepared: ProviderRequest) -> AbstractAsyncContextManager[httpx.Response]:
    return guard.call(prepared.url, prepared.headers, orjson.dumps(prepared.body))


def _plain_key(ciphertext: str) -> str:
    """The provider's key, fit for a header.

    Raises:
        InvalidState: the key is gone, cannot be decrypted or holds characters that no key has.
    """
    api_key = decrypt(ciphertext) if ciphertext else ""
    if not _API_KEY.fullmatch(api_key):
        raise InvalidState(
            "The provider's key of this endpoint is missing or is not 8 to 512 visible ASCII characters. "
            "Store the secret again and update the endpoint's config."
        )
    return api_key


async def _lines(response: httpx.Response) -> AsyncIterator[list[bytes]]:
    """The complete lines that each piece of the stream brings; a last line without end counts too."""
    rest = b""
    async for piece in guard.pieces(response):
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _json_or_text(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode("utf-8", "replace")[:2000]
