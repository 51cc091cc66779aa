"""Bodies that the proofs send, and facts drawn from what comes back."""

import json
from collections.abc import Mapping
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.observation import Exchange

CHURN = "main.default.churn"
PROVIDER_KEY = "sk-proof-not-a-real-key-zyxw"
"""Not a real key: the proofs' external endpoints talk to the local provider simulator. Its tail occurs in no hexadecimal id."""


def churn_entity(version: str, **more: Any) -> dict[str, Any]:
    """A small served entity of the example model, named churn-<version>."""
    entity = {"name": f"churn-{version}", "entity_name": CHURN, "entity_version": version}
    return {**entity, "workload_size": "Small", "scale_to_zero_enabled": False, **more}


def churn_config(shares: Mapping[str, int]) -> dict[str, Any]:
    """Config with one entity for each version and its share of the traffic."""
    routes = [{"served_entity_name": f"churn-{version}", "traffic_percentage": share} for version, share in shares.items()]
    return {"served_entities": [churn_entity(version) for version in shares], "traffic_config": {"routes": routes}}


def openai_chat(**more: Any) -> dict[str, Any]:
    """An external chat model of provider openai with its key in plain text."""
    model = {"provider": "openai", "name": "gpt-4o-mini", "task": "llm/v1/chat"}
    return {**model, "openai_config": {"openai_api_key_plaintext": PROVIDER_KEY}, **more}


def parsed(exchange: Exchange) -> Any:
    """The answer's JSON, or None when it is none."""
    try:
        return json.loads(exchange.response_body)
    except ValueError:
        return None


def answer_facts(exchange: Exchange) -> dict[str, Any]:
    """status, and error_code and message where the answer is an error."""
    body = parsed(exchange)
    facts: dict[str, Any] = {"status": exchange.status}
    if exchange.status >= 400 and isinstance(body, dict):
        facts |= {"error_code": body.get("error_code", ""), "message": str(body.get("message", ""))}
    return facts


def served_by(exchange: Exchange) -> str:
    """The served entity that answered, from the documented header."""
    return exchange.response_headers.get("served-model-name", "")


def customer(client: ProofClient, position: int = 0) -> dict[str, Any]:
    """An example row that the churn model accepts."""
    if len(client.customers) <= position:
        raise ProofCouldNotRun("There are no example customers to ask about.")
    return dict(client.customers[position])


def row(exchange: Exchange, **more: Any) -> dict[str, Any]:
    """A line for the table beside the exchanges."""
    return {**more, "status": exchange.status, "answered by": served_by(exchange) or "—", "answer": exchange.response_body[:160]}
