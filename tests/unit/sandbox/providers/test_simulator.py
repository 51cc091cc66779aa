"""The official openai client is the referee of the simulator's wire format."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest


@contextmanager
def connect(socket: Path, key: str) -> Iterator[openai.OpenAI]:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as http:
        yield openai.OpenAI(base_url="http://provider-simulator/v1", api_key=key, http_client=http, max_retries=0)


@pytest.fixture
def client(simulator_socket: Path) -> Iterator[openai.OpenAI]:
    with connect(simulator_socket, "sk-any-key") as opened:
        yield opened


def chat(client: openai.OpenAI, prompt: str, **more: object) -> str:
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": prompt}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, **more)  # type: ignore[call-overload]
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("What is 12 * (3 + 4)?", "12 * (3 + 4) = 84"),
        ("1/0", None),
        ("Sentiment: the service was slow and the agent was rude", "negative"),
        ("Is this positive or negative: I love this fast router", "positive"),
        ("Summarize: The bill rose in May. The customer called twice.", "The bill rose in May."),
    ],
)
def test_it_answers_about_the_prompt(client: openai.OpenAI, prompt: str, answer: str | None) -> None:
    said = chat(client, prompt)
    assert said == answer if answer else said.startswith('You said: "1/0"')
    assert chat(client, prompt) == said


def test_usage_limits_and_stop_words(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello there"}], max_tokens=3, n=2
    )
    assert [c.finish_reason for c in answer.choices] == ["length", "length"]
    assert answer.choices[0].message.content == "You said:"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 6, 8)
    assert chat(client, "hello there", stop=[" ("]) == 'You said: "hello there"'
    assert chat(client, "7 + 1", response_format={"type": "json_object"}) == '{"answer": "7 + 1 = 8"}'


def test_a_stream_adds_up_to_the_same_answer(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "system", "content": "Be short."}, {"role": "user", "content": "tell me"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == chat(client, "tell me")
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert len(chunks) > 10


def test_completions_and_models(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="2 + 3")
    assert answer.choices[0].text == "2 + 3 = 5"
    streamed = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="2 + 3", stream=True)
    assert "".join(c.choices[0].text for c in streamed) == "2 + 3 = 5"
    assert "gpt-4o-mini" in [m.id for m in client.models.list()]


def test_embeddings_of_similar_texts_are_close(client: openai.OpenAI) -> None:
    texts = ["the customer cancelled her contract", "a customer cancelled the contract", "bananas are yellow"]
    answer = client.embeddings.create(model="text-embedding-3-small", input=texts)
    first, close, far = (entry.embedding for entry in answer.data)
    assert len(first) == 1536
    assert sum(x * x for x in first) == pytest.approx(1.0, abs=1e-5)
    assert sum(x * y for x, y in zip(first, close, strict=True)) > 0.5
    assert abs(sum(x * y for x, y in zip(first, far, strict=True))) < 0.2
    assert answer.usage.prompt_tokens == 5 + 5 + 3
    short = client.embeddings.create(model="text-embedding-3-large", input="x", dimensions=8, encoding_format="float")
    assert len(short.data[0].embedding) == 8


@pytest.mark.parametrize("key", ["sk-invalid-1", "nonsense", "sk-"])
def test_a_bad_key_is_401(simulator_socket: Path, key: str) -> None:
    with connect(simulator_socket, key) as client, pytest.raises(openai.AuthenticationError, match="API key"):
        chat(client, "hi")


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("[simulate:400]", openai.BadRequestError),
        ("[simulate:404]", openai.NotFoundError),
        ("[simulate:429]", openai.RateLimitError),
        ("[simulate:500]", openai.InternalServerError),
    ],
)
def test_failures_can_be_provoked(client: openai.OpenAI, prompt: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        chat(client, f"please {prompt}")


def test_bad_bodies_are_refused_in_the_provider_s_words(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError, match="temperature"):
        chat(client, "hi", temperature=3)
    with pytest.raises(openai.BadRequestError, match="'messages'"):
        client.chat.completions.create(model="gpt-4o", messages=[])
    with pytest.raises(openai.BadRequestError, match="role"):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "boss", "content": "x"}])  # type: ignore[typeddict-item]
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-rate-limited", messages=[{"role": "user", "content": "x"}])
