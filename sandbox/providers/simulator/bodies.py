"""What the simulator accepts: keys, models and bodies, refused in OpenAI's words and error shape."""

import re
from dataclasses import dataclass
from typing import Any

import orjson

CHAT_MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo")
COMPLETION_MODELS = ("gpt-3.5-turbo-instruct",)
EMBEDDING_MODELS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
ALWAYS_LIMITED_MODEL = "gpt-rate-limited"
MODELS = (*CHAT_MODELS, *COMPLETION_MODELS, *EMBEDDING_MODELS, ALWAYS_LIMITED_MODEL)

BODY_LIMIT_BYTES = 16 * 1024 * 1024
_TRIGGER = re.compile(r"\[simulate:(?P<what>400|401|403|404|429|500|503|slow|hang)\]")
_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}


class SimulatedError(Exception):
    """Becomes OpenAI's error body with its status."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code = status, message, kind, code

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": None, "code": self.code}}


@dataclass(frozen=True)
class Generation:
    """A checked chat or completion request."""

    model: str
    prompt: str
    """The last message of the user, or the prompt."""
    context: str
    """All text of the request: what is counted as prompt tokens."""
    max_tokens: int | None
    stop: list[str]
    count: int
    stream: bool
    include_usage: bool
    as_json: bool


def check_key(authorization: str) -> None:
    """Any key that looks like one is good, except those that begin with sk-invalid."""
    key = authorization.removeprefix("Bearer ")
    if not authorization.startswith("Bearer ") or not key:
        raise SimulatedError(401, "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY.")
    if not re.fullmatch(r"sk-[A-Za-z0-9_-]{4,}", key) or key.startswith("sk-invalid"):
        shown = key if len(key) < 12 else f"{key[:6]}***{key[-4:]}"
        raise SimulatedError(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def read_object(content: bytes) -> dict[str, Any]:
    if len(content) > BODY_LIMIT_BYTES:
        raise SimulatedError(413, "The request is too large.")
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise SimulatedError(400, "We could not parse the JSON body of your request.")
    return body


def read_chat(body: dict[str, Any]) -> Generation:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise SimulatedError(400, "Missing required parameter: 'messages'.", code="missing_required_parameter")
    texts = [_message_text(position, message) for position, message in enumerate(messages)]
    asked = [text for message, text in zip(messages, texts, strict=True) if message["role"] == "user"]
    return _generation(body, (*CHAT_MODELS, ALWAYS_LIMITED_MODEL), asked[-1] if asked else texts[-1], "\n".join(texts))


def read_completion(body: dict[str, Any]) -> Generation:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise SimulatedError(400, "Missing required parameter: 'prompt' (one text).", code="missing_required_parameter")
    return _generation(body, COMPLETION_MODELS, prompt, prompt)


def read_embeddings(body: dict[str, Any]) -> tuple[str, list[str], int]:
    """Model, texts and the dimensions of the vectors."""
    model = _model(body, tuple(EMBEDDING_MODELS))
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise SimulatedError(400, "'$.input' is invalid: it must be a text or a list of texts, none of them empty.")
    for text in texts:
        check_triggers(text, model)
    largest = EMBEDDING_MODELS[model]
    dimensions = body.get("dimensions", largest)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= largest:
        raise SimulatedError(400, f"Invalid value for 'dimensions': it must be between 1 and {largest}.")
    return model, texts, dimensions


def check_triggers(prompt: str, model: str) -> str:
    """Raise what the prompt or the model asks to be simulated; returns 'slow' or 'hang' when that is asked."""
    if model == ALWAYS_LIMITED_MODEL:
        raise _simulated(429)
    found = _TRIGGER.search(prompt)
    if found is None:
        return ""
    if found["what"].isdigit():
        raise _simulated(int(found["what"]))
    return found["what"]


def _simulated(status: int) -> SimulatedError:
    if status == 429:
        return SimulatedError(429, "Rate limit reached for requests.", "requests", "rate_limit_exceeded")
    if status >= 500:
        return SimulatedError(status, "The server had an error while processing your request.", "server_error")
    return SimulatedError(status, f"Simulated error {status}.")


def _generation(body: dict[str, Any], models: tuple[str, ...], prompt: str, context: str) -> Generation:
    options = body.get("stream_options") or {}
    response_format = body.get("response_format") or {}
    stop = body.get("stop") or []
    _number(body, "temperature", 0, 2)
    _number(body, "top_p", 0, 1)
    return Generation(
        model=_model(body, models),
        prompt=prompt,
        context=context,
        max_tokens=_number(body, "max_completion_tokens", 1, 16384, whole=True)
        or _number(body, "max_tokens", 1, 16384, whole=True),
        stop=[stop] if isinstance(stop, str) else [str(word) for word in stop],
        count=_number(body, "n", 1, 8, whole=True) or 1,
        stream=bool(body.get("stream")),
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        as_json=isinstance(response_format, dict) and response_format.get("type") in {"json_object", "json_schema"},
    )


def _model(body: dict[str, Any], known: tuple[str, ...]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise SimulatedError(400, "you must provide a model parameter")
    if model in known:
        return model
    if model in MODELS:
        raise SimulatedError(404, f"The model `{model}` is not for this API. These are: {', '.join(known)}.")
    message = f"The model `{model}` does not exist or you do not have access to it."
    raise SimulatedError(404, message, code="model_not_found")


def _number(body: dict[str, Any], name: str, low: int, high: int, *, whole: bool = False) -> int | None:
    """The parameter when it was sent; only whole numbers are returned."""
    value = body.get(name)
    if value is None:
        return None
    wanted = int if whole else (int | float)
    if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
        kind = "an integer" if whole else "a number"
        raise SimulatedError(400, f"Invalid value for '{name}': expected {kind} between {low} and {high}, got {value!r}.")
    return int(value) if whole else None


def _message_text(position: int, message: Any) -> str:
    """The text of one message, whose content may be a text or a list of parts."""
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise SimulatedError(
            400, f"Invalid value for 'messages[{position}].role'. Supported values are: {', '.join(sorted(_ROLES))}."
        )
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(str(part) for part in parts)
    if content is None and message["role"] == "assistant":
        return ""
    if not isinstance(content, str):
        raise SimulatedError(400, f"Invalid value for 'messages[{position}].content': expected a text or a list of parts.")
    return content
