"""On the running site: rate limits of calls and tokens, and an access token given as curl's documentation does it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from databricks.sdk.service import serving

from tests.deployed import workspace_client
from tests.stack import Stack, wait_for

ENDPOINT = "limited-chat"
ASKED = {"messages": [{"role": "user", "content": "How many tokens has this?"}], "max_tokens": 10}
MINUTE = serving.AiGatewayRateLimitRenewalPeriod.MINUTE
USER = serving.AiGatewayRateLimitKey.USER


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token("learner")


@pytest.fixture(scope="module")
def client(stack: Stack, token: str) -> Iterator[Any]:
    found = workspace_client(stack, token)
    model = serving.ExternalModel(
        provider=serving.ExternalModelProvider.OPENAI,
        name="gpt-4o-mini",
        task="llm/v1/chat",
        openai_config=serving.OpenAiConfig(openai_api_key_plaintext="sk-0123456789abcdef"),
    )
    config = serving.EndpointCoreConfigInput(name=ENDPOINT, served_entities=[serving.ServedEntityInput(external_model=model)])
    found.serving_endpoints.create_and_wait(ENDPOINT, config=config)
    yield found
    found.serving_endpoints.delete(ENDPOINT)


@pytest.fixture
def http(stack: Stack, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as found:
        yield found


def ask(http: httpx.Client, **more: Any) -> httpx.Response:
    return http.post(f"/serving-endpoints/{ENDPOINT}/invocations", json={**ASKED, **more})


def minute() -> int:
    return int(time.time() // 60)


def within_one_minute(act: Callable[[], Any]) -> Any:
    """What `act` gave; once more, in the next minute, when the counters began anew in its midst."""
    while True:
        begun, found = minute(), act()
        ended = minute()
        if begun == ended:
            return found
        wait_for(lambda ended=ended: minute() > ended, 90, "the minute does not end")


def limit(client: Any, **most: Any) -> None:
    limits = [serving.AiGatewayRateLimit(renewal_period=MINUTE, **most)] if most else []
    client.serving_endpoints.put_ai_gateway(ENDPOINT, rate_limits=limits)


def test_calls_beyond_the_limit_are_refused_until_the_minute_ends(client: Any, http: httpx.Client) -> None:
    limit(client, calls=3, key=USER)

    def ask_too_often() -> Any:
        answers = [ask(http) for _ in range(4)]
        most_s = 60 - time.time() % 60
        chat = http.post("/serving-endpoints/chat/completions", json={**ASKED, "model": ENDPOINT})
        return answers, chat, 60 - time.time() % 60, most_s

    answers, chat, least_s, most_s = within_one_minute(ask_too_often)
    assert Counter(answer.status_code for answer in answers) == {200: 3, 429: 1}, answers[0].text
    assert chat.status_code == 429, "the address of OpenAI's clients has the same limit"
    assert int(least_s) <= int(chat.headers["retry-after"]) <= most_s + 1
    assert chat.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert "3 calls per minute for user learner" in chat.json()["message"]

    limit(client)
    assert ask(http).status_code == 200


def test_tokens_beyond_the_limit_are_refused(client: Any, http: httpx.Client) -> None:
    first = ask(http)
    assert first.status_code == 200, first.text
    used = first.json()["usage"]["total_tokens"]
    limit(client, tokens=2 * used, key=serving.AiGatewayRateLimitKey.ENDPOINT)
    first, second, refused = within_one_minute(lambda: [ask(http) for _ in range(3)])
    assert [first.status_code, second.status_code] == [200, 200]
    assert (refused.status_code, refused.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert f"{2 * used} tokens per minute for endpoint {ENDPOINT}" in refused.json()["message"]
    limit(client)


@pytest.mark.parametrize(
    "address",
    [
        f"/api/2.0/serving-endpoints/{ENDPOINT}",
        "/serving-endpoints/models",
        "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default",
        "/api/2.1/unity-catalog/catalogs",
    ],
)
def test_a_token_may_come_as_the_password_of_user_token(address: str, client: Any, stack: Stack, token: str) -> None:
    def status(user: str, password: str) -> int:
        return httpx.get(f"{stack.url}{address}", auth=(user, password), timeout=30).status_code

    assert status("token", token) == 200
    assert (status("token", "dapi0"), status("learner", token)) == (401, 401)
