"""Programs about endpoints that stand for a provider's model."""

import base64
from collections.abc import Mapping
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import PROVIDER_KEY, answer_facts, churn_entity, openai_chat, parsed, row
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.custom_models import create_endpoint
from quizzes.proofs.programs.program import Program


def create_external(
    client: ProofClient, entity: Mapping[str, Any] | None = None, provider_config: Mapping[str, Any] | None = None
) -> Observation:
    """Create an endpoint with an external chat model; `entity` adds fields beside it, `provider_config` replaces its config."""
    model = openai_chat()
    if provider_config is not None:
        model = {key: value for key, value in model.items() if key != "openai_config"} | dict(provider_config)
    return create_endpoint(client, {"served_entities": [{"name": "chat", "external_model": model, **(entity or {})}]})


def read_back_the_key(client: ProofClient) -> Observation:
    """Create with a plain-text key, then search every answer for it."""
    name = client.ready_endpoint({"served_entities": [{"name": "chat", "external_model": openai_chat()}]})
    shown = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    listed = client.http("GET", "/api/2.0/serving-endpoints")
    seen = shown.response_body + listed.response_body
    facts = {
        "status": shown.status,
        "key_in_answer": PROVIDER_KEY in seen,
        "tail_in_answer": PROVIDER_KEY[-4:] in seen,
        "base64_in_answer": base64.b64encode(PROVIDER_KEY.encode()).decode() in seen,
        "provider_in_answer": '"openai"' in shown.response_body,
    }
    return Observation(facts, client.exchanges)


def replace_external(client: ProofClient, how: str) -> Observation:
    """Try to put the churn model behind an endpoint that serves an external model."""
    name = client.endpoint_name()
    chat = {"name": "chat", "external_model": openai_chat()}
    client.deploy(name, {"served_entities": [chat]})
    churn = churn_entity("1")
    beside = {
        "served_entities": [chat, churn],
        "traffic_config": {
            "routes": [
                {"served_entity_name": "chat", "traffic_percentage": 0},
                {"served_entity_name": "churn-1", "traffic_percentage": 100},
            ]
        },
    }
    configs: dict[str, Any] = {
        "replace": {"served_entities": [churn]},
        "same_name": {"served_entities": [{**churn, "name": "chat"}]},
        "beside": beside,
    }
    outcome = client.update(name, configs[how])
    return Observation({**answer_facts(client.exchanges[-1]), "exception": outcome.exception}, client.exchanges)


def chat(client: ProofClient) -> Observation:
    """Ask an external chat model one question and look at the shape of the answer."""
    name = client.ready_endpoint({"served_entities": [{"name": "chat", "external_model": openai_chat()}]})
    asked = client.invoke(name, {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 20})
    body = parsed(asked) or {}
    choices = body.get("choices") or [{}]
    message = choices[0].get("message") or {}
    facts = {
        **answer_facts(asked),
        "object": body.get("object", ""),
        "keys": sorted(body),
        "has_message_content": isinstance(message.get("content"), str) and bool(message.get("content")),
        "has_predictions": "predictions" in body,
        "has_candidates": "candidates" in body,
        "first_choice_has_text": "text" in choices[0],
    }
    return Observation(facts, client.exchanges, [row(asked, sent="one message")])


PROGRAMS: dict[str, Program] = {
    "create_external": Program(create_external, needs_models=True),
    "read_back_the_key": Program(read_back_the_key, needs_models=False),
    "replace_external": Program(replace_external, needs_models=True),
    "chat": Program(chat, needs_models=False),
}
