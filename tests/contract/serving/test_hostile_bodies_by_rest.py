"""Bodies that only a hostile or confused client sends: refused with a sentence, before the client gives up waiting."""

import json
from typing import Any

import httpx
import pytest

Answer = tuple[int, str]
GIVES_UP_S = 60.0
"""What a pattern that can match in more than one way makes of these bodies takes hours, with all other threads waiting."""


@pytest.fixture
def ask(site: str, w: Any) -> Any:
    """(method, path, body as an object or as text) -> status and message."""

    def send(method: str, path: str, body: Any = None) -> Answer:
        content = body if isinstance(body, str) else json.dumps(body)
        headers = {"Authorization": f"Bearer {w.config.token}", "Content-Type": "application/json"}
        answer = httpx.request(method, f"{site}/api/2.0/{path}", content=content, headers=headers, timeout=GIVES_UP_S)
        return answer.status_code, answer.json().get("message", "")

    return send


def external(name: Any = "gpt-4o-mini", **openai_config: Any) -> dict[str, Any]:
    model = {"provider": "openai", "name": name, "task": "llm/v1/chat", "openai_config": openai_config}
    return {"name": "chat", "config": {"served_entities": [{"name": "chat", "external_model": model}]}}


def custom(**fields: Any) -> dict[str, Any]:
    entity = {"entity_name": "main.default.churn", "entity_version": "1", **fields}
    return {"name": "churn", "config": {"served_entities": [entity]}}


@pytest.mark.parametrize(
    "fields",
    [
        {"openai_api_key": {"a": 1}},
        {"openai_api_key": 5},
        {"openai_api_key_plaintext": ["sk-1"]},
        {"openai_api_key_plaintext": "sk-1", "openai_api_type": []},
        {"openai_api_key_plaintext": "sk-1", "openai_api_base": 5},
        {"openai_api_key_plaintext": "sk-1", "openai_organization": {"a": "b"}},
        {"openai_api_key_plaintext": "sk-1" * 5000},
        {"openai_api_key_plaintext": "sk-1\n"},
        {"openai_api_key_plaintext": "sk-é"},
    ],
)
def test_fields_of_a_provider_are_text(ask: Any, fields: dict[str, Any]) -> None:
    status, message = ask("POST", "serving-endpoints", external(**fields))
    assert status == 400
    assert "must be text" in message
    assert list(fields)[-1] in message


@pytest.mark.parametrize(
    "base", ["http://[", "api.openai.com/v1", "https://", "https://host:99999/v1", "ftp://host/", "https://a b/"]
)
def test_the_address_of_a_provider_is_one(ask: Any, base: str) -> None:
    status, message = ask("POST", "serving-endpoints", external(openai_api_key_plaintext="sk-1", openai_api_base=base))
    assert (status, message) == (
        400,
        "openai_config.openai_api_base must be an address, such as https://api.openai.com/v1.",
    )


@pytest.mark.parametrize("version", ["0", "01", "9" * 10, "9" * 30, "²"])
def test_what_is_no_version_number(ask: Any, version: str) -> None:
    status, message = ask("POST", "serving-endpoints", custom(entity_version=version))
    assert status == 400
    assert f"entity_version '{version}' is not a version number" in message


@pytest.mark.parametrize("name", [["gpt"], {"a": 1}, 5, "g" * 300])
def test_the_name_of_a_providers_model_is_text(ask: Any, name: Any) -> None:
    status, message = ask("POST", "serving-endpoints", external(name, openai_api_key_plaintext="sk-1"))
    assert (status, message[:31]) == (400, "external_model.name is required")


@pytest.mark.parametrize("depth", [100, 600, 800, 20_000])
def test_nested_too_deeply(ask: Any, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = json.dumps(external(openai_api_key_plaintext="sk-1", more="HERE")).replace('"HERE"', nested)
    status, message = ask("POST", "serving-endpoints", body)
    assert status == 400
    assert "nested deeper than" in message or "recursion depth" in message


def test_many_brackets_that_are_not_deep_are_read(ask: Any) -> None:
    status, message = ask("POST", "serving-endpoints", custom(name="x", unknown=[[[]] for _ in range(50_000)]))
    assert (status, message) == (200, "")


@pytest.mark.parametrize("field", ["catalog_name", "schema_name", "table_name_prefix"])
@pytest.mark.parametrize("name", ["we'ird$", "漢" * 100, "a:b", "..", "a b", "__tables"])
def test_a_table_gets_no_name_that_it_cannot_have(ask: Any, field: str, name: str) -> None:
    body = {**custom(), "ai_gateway": {"inference_table_config": {field: name}}}
    status, message = ask("POST", "serving-endpoints", body)
    assert (status, message) == (
        400,
        f"ai_gateway.inference_table_config.{field}: Use letters, digits, dashes and underscores, and do not begin with two "
        "underscores.",
    )


def test_what_is_nearly_a_secret_reference_is_refused(ask: Any) -> None:
    nearly = "{{secrets/scope/key" + " " * 400_000
    assert ask("POST", "serving-endpoints", custom(environment_vars={"A": nearly}))[0] == 400


def test_what_is_nearly_a_filter_is_refused(ask: Any) -> None:
    status, message = ask("GET", f"preview/scim/v2/Users?filter=userName+eq{'+' * 20_000}%22x%22y")
    assert status == 400
    assert "is not supported" in message


@pytest.mark.parametrize("written", ['userName eq "ada@example.org"', "  userName  eq  ada@example.org ", 'displayName co "ADA"'])
def test_filters_that_are_read(ask: Any, site: str, w: Any, written: str) -> None:
    assert [user.user_name for user in w.users.list(filter=written)] == ["ada@example.org"]
    assert list(w.users.list(filter='userName eq "bob"')) == []
