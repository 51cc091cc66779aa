"""The OpenAI client on the foundation and the external endpoint, with only the base URL changed; both are captured."""

from typing import Any

import openai
import pytest
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    ExternalModel,
    ExternalModelProvider,
    OpenAiConfig,
    ServedEntityInput,
)

from tests.stack import Stack, wait_for


@pytest.fixture(scope="module")
def client(stack: Stack, learner_token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{stack.url}/serving-endpoints", api_key=learner_token, max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def chat(sdk: Any) -> str:
    external = ExternalModel(
        name="gpt-4o-mini",
        provider=ExternalModelProvider.OPENAI,
        task="llm/v1/chat",
        openai_config=OpenAiConfig(openai_api_key_plaintext="sk-canary-0123456789abcdef"),
    )
    config = EndpointCoreConfigInput(name="talk", served_entities=[ServedEntityInput(name="talker", external_model=external)])
    sdk.serving_endpoints.create_and_wait(name="talk", config=config)
    return "talk"


def rows(sdk: Any, endpoint: str) -> list[list[str]]:
    sql = f"SELECT status_code, request, response FROM main.default.`{endpoint}_payload` ORDER BY request_time"
    found = sdk.statement_execution.execute_statement(statement=sql, warehouse_id="sandbox")
    return list(found.result.data_array or []) if found.result else []


def test_embeddings(client: openai.OpenAI, sdk: Any) -> None:
    answer = client.embeddings.create(
        model="databricks-bge-large-en", input=["a cold start", "the first request waits", "bananas"]
    )
    vectors = [item.embedding for item in answer.data]
    near, far = (sum(x * y for x, y in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert [len(vector) for vector in vectors] == [384] * 3
    assert near > far, "texts about the same thing must be nearer to each other"
    assert "miniature" in answer.model
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 8
    wait_for(lambda: any("bananas" in row[1] for row in rows(sdk, "databricks-bge-large-en")), 90, "the call was not captured")


def test_sql_asks_an_endpoint(sdk: Any, chat: str) -> None:
    def run(sql: str) -> Any:
        return sdk.statement_execution.execute_statement(statement=sql, warehouse_id="sandbox", wait_timeout="30s")

    found = run(f"SELECT id, length(ai_query('{chat}', concat('Say ', id))) > 0 FROM range(2) ORDER BY id")
    assert found.result, found.status
    assert found.result.data_array == [["0", "true"], ["1", "true"]]
    missing = run("SELECT ai_query('nobody', 'Say it')").status.error
    assert "[AI_FUNCTION_HTTP_REQUEST_ERROR]" in missing.message
    assert "404" in missing.message
    kept = run("SELECT a.response, a.errorMessage LIKE '404%' FROM (SELECT ai_query('nobody', 'x', failOnError => false) AS a)")
    assert kept.result, kept.status
    assert kept.result.data_array == [[None, "true"]]


def test_chat(client: openai.OpenAI, chat: str) -> None:
    answer = client.chat.completions.create(model=chat, messages=[{"role": "user", "content": "What is scale to zero?"}])
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_comes_in_pieces_and_is_captured_whole(client: openai.OpenAI, sdk: Any, chat: str) -> None:
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(
            model=chat, messages=[{"role": "user", "content": "Stream me a canary"}], stream=True
        )
        if chunk.choices
    ]
    text = "".join(pieces)
    assert len([piece for piece in pieces if piece]) > 1
    assert "canary" in text

    def captured() -> bool:
        return any("Stream me a canary" in row[1] and '"chat.completion"' in row[2] for row in rows(sdk, chat))

    wait_for(captured, 90, "the stream was not captured as one answer")


def test_the_key_is_never_shown_and_never_logged(sdk: Any, stack: Stack, chat: str) -> None:
    assert "sk-canary" not in str(sdk.serving_endpoints.get(chat).as_dict())
    assert not any("sk-canary" in str(row) for row in rows(sdk, chat))
    for path in [*stack.data_dir.glob("log/*.log"), *stack.data_dir.glob("redis/**/*"), stack.data_dir / "db.sqlite3"]:
        assert path.is_dir() or b"sk-canary" not in path.read_bytes(), path


def test_models_lists_what_can_be_queried(client: openai.OpenAI, chat: str) -> None:
    assert {"databricks-bge-large-en", chat} <= {model.id for model in client.models.list()}


def test_the_wrong_task_is_a_sentence(client: openai.OpenAI, chat: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"task llm/v1/chat"):
        client.embeddings.create(model=chat, input="x")
