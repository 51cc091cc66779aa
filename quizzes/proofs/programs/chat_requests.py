"""Programs that send one request to an external model and look at every part of the answer."""

import json
from collections.abc import Mapping
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import answer_facts, openai_chat, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

TASK = "llm/v1/chat"
QUESTION = {"messages": [{"role": "user", "content": "Say hello."}]}
ENDPOINT = "{endpoint}"
"""Stands in arguments for the name that the run gives its endpoint."""


def external_endpoint(client: ProofClient, model: str = "gpt-4o-mini", task: str = TASK, served: str = "chat") -> str:
    """The name of a ready endpoint with one external model, for programs that only query it."""
    return client.ready_endpoint({"served_entities": [{"name": served, "external_model": openai_chat(name=model, task=task)}]})


def ask(
    client: ProofClient,
    body: Mapping[str, Any],
    model: str = "gpt-4o-mini",
    task: str = TASK,
    path: str = "/serving-endpoints/{endpoint}/invocations",
) -> Observation:
    """Send `body` to an endpoint with this external model; `{endpoint}` in path and body becomes its name."""
    name = external_endpoint(client, model, task)
    asked = client.http("POST", path.replace(ENDPOINT, name), _named(body, name))
    return Observation(_facts(asked), client.exchanges, [row(asked, sent=", ".join(sorted(body)))])


def ask_with_token(client: ProofClient, token: str) -> Observation:
    """Ask an endpoint with another bearer token than the workspace's."""
    name = external_endpoint(client)
    asked = client.invoke(name, QUESTION, token=token)
    return Observation(_facts(asked), client.exchanges, [row(asked, sent="another bearer token")])


def stream(client: ProofClient, max_tokens: int = 12) -> Observation:
    """Ask once as a stream and once for the whole answer, and compare."""
    name = external_endpoint(client)
    body = {**QUESTION, "max_tokens": max_tokens}
    whole = parsed(client.invoke(name, body)) or {}
    streamed = client.invoke(name, {**body, "stream": True})
    lines = [line.removeprefix("data: ") for line in streamed.response_body.splitlines() if line.startswith("data: ")]
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    parts = [chunk["choices"][0] for chunk in chunks if chunk.get("choices")]
    said = "".join((part.get("delta") or {}).get("content") or "" for part in parts)
    facts = {
        "status": streamed.status,
        "content_type": streamed.response_headers.get("content-type", ""),
        "chunks": len(chunks),
        "objects": sorted({str(chunk.get("object")) for chunk in chunks}),
        "chunks_with_message": sum("message" in part for part in parts),
        "chunks_with_text": sum("text" in part for part in parts),
        "chunks_with_predictions": sum("predictions" in chunk for chunk in chunks),
        "chunks_with_delta": sum("delta" in part for part in parts),
        "first_chunk_is_whole": bool(parts) and (parts[0].get("delta") or {}).get("content") == _content(whole),
        "joined_is_whole_answer": said == _content(whole) and bool(said),
        "last_event": lines[-1] if lines else "",
        "body_is_json": parsed(streamed) is not None,
        "finish_reasons": [part["finish_reason"] for part in parts if part.get("finish_reason")],
    }
    rows = [{"event": number, "says": line[:160]} for number, line in enumerate(lines, 1)]
    return Observation(facts, client.exchanges, rows)


def sdk_chat(client: ProofClient) -> Observation:
    """`serving_endpoints.query` with messages, as a typed answer of the SDK."""
    outcome = client.query_chat(external_endpoint(client), "Say hello.", max_tokens=6)
    answer = outcome.value
    choices = (answer.choices if answer else None) or []
    facts = {
        **answer_facts(client.exchanges[-1]),
        "exception": outcome.exception,
        "has_message_content": bool(choices and choices[0].message and choices[0].message.content),
        "has_predictions": bool(answer and answer.predictions),
        "has_outputs": bool(answer and answer.outputs),
        "served_model_name": (answer.served_model_name if answer else "") or "",
        "model": (answer.model if answer else "") or "",
        "completion_tokens": (answer.usage.completion_tokens if answer and answer.usage else 0) or 0,
    }
    return Observation(facts, client.exchanges, [row(client.exchanges[-1], sent="messages")])


def _named(value: Any, name: str) -> Any:
    """The same value with the endpoint's name for every `{endpoint}`."""
    if isinstance(value, str):
        return value.replace(ENDPOINT, name)
    if isinstance(value, Mapping):
        return {key: _named(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, name) for each in value]
    return value


def _facts(asked: Exchange) -> dict[str, Any]:
    body = parsed(asked)
    body = body if isinstance(body, dict) else {}
    choices = body.get("choices") or []
    first = choices[0] if choices else {}
    usage = body.get("usage") or {}
    read, written = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return {
        **answer_facts(asked),
        "keys": sorted(body),
        "object": body.get("object", ""),
        "model": body.get("model", ""),
        "served_by": served_by(asked),
        "choices": len(choices),
        "content": _content(body),
        "content_is_json": _is_json_object(_content(body)),
        "text": first.get("text", ""),
        "finish_reason": first.get("finish_reason", ""),
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": usage.get("total_tokens", 0),
        "usage_keys": sorted(usage),
        "total_is_sum": usage.get("total_tokens") == read + written,
        "vectors": len(body.get("data") or []),
        "provider_message": json.dumps(body.get("external_model_message", "")),
    }


def _content(body: Mapping[str, Any]) -> str:
    choices = body.get("choices") or [{}]
    return str((choices[0].get("message") or {}).get("content") or "")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


PROGRAMS: dict[str, Program] = {
    "ask": Program(ask, needs_models=False),
    "ask_with_token": Program(ask_with_token, needs_models=False),
    "stream": Program(stream, needs_models=False),
    "sdk_chat": Program(sdk_chat, needs_models=False),
}
