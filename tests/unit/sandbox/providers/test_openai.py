"""External models through the adapter: whole and streamed answers, and errors in the documented shape."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.errors import InvalidParameterValue, InvalidState
from sandbox.providers import ProviderError, provider_for

MakeExternal = Callable[..., dict[str, Any]]
CHAT = "llm/v1/chat"
ASK = {"messages": [{"role": "user", "content": "What is 6 * 7?"}]}


async def streamed(external: dict[str, Any], task: str, body: dict[str, Any]) -> bytes:
    return b"".join([chunk async for chunk in provider_for(external).stream(external, task, body, deadline_s=10)])


async def test_chat(make_external: MakeExternal) -> None:
    external = make_external()
    answer = await provider_for(external).query(external, CHAT, ASK | {"model": "endpoint-name"}, deadline_s=10)
    body = json.loads(answer.body)
    assert answer.status == 200
    assert body["model"] == "gpt-4o-mini"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "6 * 7 = 42"}
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]


async def test_completions_and_embeddings(make_external: MakeExternal) -> None:
    written = make_external(model="gpt-3.5-turbo-instruct")
    answer = await provider_for(written).query(written, "llm/v1/completions", {"prompt": "1 + 1"}, deadline_s=10)
    assert json.loads(answer.body)["choices"][0]["text"] == "1 + 1 = 2"
    embedded = make_external(model="text-embedding-3-small")
    answer = await provider_for(embedded).query(embedded, "llm/v1/embeddings", {"input": ["a", "b"]}, deadline_s=10)
    assert [len(entry["embedding"]) for entry in json.loads(answer.body)["data"]] == [1536, 1536]


async def test_extra_params_go_on_flat(make_external: MakeExternal) -> None:
    external = make_external()
    answer = await provider_for(external).query(external, CHAT, ASK | {"extra_params": {"n": 2}}, deadline_s=10)
    assert len(json.loads(answer.body)["choices"]) == 2


async def test_a_stream_passes_and_adds_up(make_external: MakeExternal) -> None:
    external = make_external()
    body = ASK | {"stream_options": {"include_usage": True}}
    events = await streamed(external, CHAT, body)
    assert events.endswith(b"data: [DONE]\n\n")
    whole = json.loads(provider_for(external).aggregate(CHAT, events))
    assert whole["object"] == "chat.completion"
    assert whole["choices"] == [{"index": 0, "message": {"role": "assistant", "content": "6 * 7 = 42"}, "finish_reason": "stop"}]
    assert whole["usage"]["completion_tokens"] == 5
    completion = make_external(model="gpt-3.5-turbo-instruct")
    events = await streamed(completion, "llm/v1/completions", {"prompt": "1 + 1"})
    assert json.loads(provider_for(completion).aggregate("llm/v1/completions", events))["choices"][0]["text"] == "1 + 1 = 2"


@pytest.mark.parametrize(
    ("prompt", "key", "status", "code"),
    [
        ("[simulate:429]", "sk-good-key", 429, "REQUEST_LIMIT_EXCEEDED"),
        ("[simulate:500]", "sk-good-key", 500, "INTERNAL_ERROR"),
        ("[simulate:404]", "sk-good-key", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("hello", "sk-invalid-key", 401, "UNAUTHENTICATED"),
    ],
)
async def test_the_provider_s_error_is_passed_on(
    make_external: MakeExternal, prompt: str, key: str, status: int, code: str
) -> None:
    external = make_external(key)
    body = {"messages": [{"role": "user", "content": prompt}]}
    answer = await provider_for(external).query(external, CHAT, body, deadline_s=10)
    said = json.loads(answer.body)
    assert (answer.status, said["error_code"]) == (status, code)
    assert said["error"] == f"Received error from openai (status {status})."
    assert said["external_model_message"]["error"]["message"]
    with pytest.raises(ProviderError) as raised:
        await streamed(external, CHAT, body)
    assert (raised.value.status, raised.value.body()) == (status, said)


@pytest.mark.parametrize(
    ("task", "body", "field"),
    [
        (CHAT, {"prompt": "x"}, "messages"),
        ("llm/v1/completions", {"messages": []}, "prompt"),
        ("llm/v1/embeddings", {}, "input"),
    ],
)
async def test_a_body_of_another_task_is_explained(
    make_external: MakeExternal, task: str, body: dict[str, Any], field: str
) -> None:
    external = make_external()
    with pytest.raises(InvalidParameterValue, match=f"must have the field '{field}'"):
        await provider_for(external).query(external, task, body, deadline_s=10)


@pytest.mark.parametrize("facts", [{"api_key_ciphertext": ""}, {"api_key": "sk-with space"}, {"api_key": "short"}])
async def test_a_key_that_is_none_is_a_configuration_error(make_external: MakeExternal, facts: dict[str, Any]) -> None:
    external = make_external(**facts)
    with pytest.raises(InvalidState, match="key of this endpoint"):
        await provider_for(external).query(external, CHAT, ASK, deadline_s=10)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(InvalidState, match="'palm' cannot be called here"):
        provider_for({"provider": "palm"})
