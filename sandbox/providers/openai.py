"""OpenAI's API: the unified form is its own, so a body goes on as it is, with the provider's model name."""

from typing import Any

import orjson

from sandbox.providers.base import CHAT, COMPLETIONS, EMBEDDINGS, Provider, ProviderRequest

PATHS = {CHAT: "chat/completions", COMPLETIONS: "completions", EMBEDDINGS: "embeddings"}


class OpenAi(Provider):
    """Provider `openai`."""

    name = "openai"

    def request(self, external: dict[str, Any], task: str, body: dict[str, Any], api_key: str) -> ProviderRequest:
        headers = {"Authorization": f"Bearer {api_key}"}
        if external.get("organization"):
            headers["OpenAI-Organization"] = str(external["organization"])
        extra = body.get("extra_params")
        sent = {k: v for k, v in body.items() if k != "extra_params"} | (extra if isinstance(extra, dict) else {})
        url = f"{str(external['base_url']).rstrip('/')}/{PATHS[task]}"
        return ProviderRequest(url, headers, sent | {"model": external["model"]})

    def aggregate(self, task: str, events: bytes) -> bytes:
        """One chat.completion (or text_completion) from its chunks; an error event is kept as it is."""
        chunks = [chunk for chunk in map(_event, events.split(b"\n")) if chunk]
        if not chunks:
            return b"{}"
        choices: dict[int, dict[str, Any]] = {}
        whole: dict[str, Any] = {k: v for k, v in chunks[0].items() if k not in {"choices", "usage"}}
        for chunk in chunks:
            for part in chunk.get("choices") or []:
                _add(choices.setdefault(part.get("index", 0), {"index": part.get("index", 0)}), part)
            for key in ("usage", "error", "error_code", "message", "external_model_message"):
                if chunk.get(key) is not None:
                    whole[key] = chunk[key]
        whole["object"] = "chat.completion" if task == CHAT else "text_completion"
        return orjson.dumps(whole | {"choices": [choices[index] for index in sorted(choices)]})


def _event(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a data line; None for any other line."""
    if not line.startswith(b"data: "):
        return None
    try:
        value = orjson.loads(line[6:])
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _add(choice: dict[str, Any], part: dict[str, Any]) -> None:
    """Append what one chunk says about a choice."""
    if "delta" in part:
        message = choice.setdefault("message", {"role": "assistant", "content": ""})
        for key, value in part["delta"].items():
            if key == "content":
                message["content"] += value or ""
            elif value is not None:
                message[key] = value
    if "text" in part:
        choice["text"] = choice.get("text", "") + (part["text"] or "")
    if part.get("finish_reason"):
        choice["finish_reason"] = part["finish_reason"]
