"""Programs about the gateway's settings of an endpoint: what a PUT replaces, what it leaves alone, what it refuses."""

from collections.abc import Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import answer_facts, openai_chat, parsed, row
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.chat_requests import QUESTION
from quizzes.proofs.programs.program import Program


def put_gateway(
    client: ProofClient, puts: Sequence[Mapping[str, Any]], created_with: Mapping[str, Any] | None = None
) -> Observation:
    """Send these bodies to PUT …/ai-gateway one after the other, then read the endpoint back.

    Facts: the last PUT's status, what the gateway has afterwards, and what became of config and state.
    """
    name = client.endpoint_name()
    entity = {"name": "chat", "external_model": openai_chat()}
    client.http("POST", "/api/2.0/serving-endpoints", _body(name, entity, created_with))
    before = client.wait_until_ready(name)
    sent = [client.http("PUT", f"/api/2.0/serving-endpoints/{name}/ai-gateway", dict(body)) for body in puts]
    shown = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    endpoint = parsed(shown) or {}
    gateway = endpoint.get("ai_gateway") or {}
    answer = client.invoke(name, QUESTION)
    facts = {
        **(answer_facts(sent[-1]) if sent else answer_facts(shown)),
        "gateway_keys": sorted(gateway),
        "limits": len(gateway.get("rate_limits") or []),
        "table_prefix": (gateway.get("inference_table_config") or {}).get("table_name_prefix", ""),
        "config_version_same": (endpoint.get("config") or {}).get("config_version") == _version(before),
        "has_pending_config": "pending_config" in endpoint,
        "config_update": (endpoint.get("state") or {}).get("config_update", ""),
        "answers_afterwards": answer.status == 200,
    }
    return Observation(
        facts,
        client.exchanges,
        [row(each, sent=", ".join(sorted(body)) or "nothing") for each, body in zip(sent, puts, strict=True)],
    )


def change_beside_config(client: ProofClient, what: str) -> Observation:
    """Change tags, the gateway or the config of an endpoint and see whether a new config version comes of it."""
    name = client.endpoint_name()
    entity = {"name": "chat", "external_model": openai_chat()}
    before = client.deploy(name, {"served_entities": [entity]})
    other = {"name": "second", "external_model": openai_chat(name="gpt-4o")}
    routes = [{"served_entity_name": each, "traffic_percentage": 50} for each in ("chat", "second")]
    base = f"/api/2.0/serving-endpoints/{name}"
    changes: dict[str, tuple[str, str, Any]] = {
        "tags": ("PATCH", f"{base}/tags", {"add_tags": [{"key": "team", "value": "claims"}]}),
        "gateway": ("PUT", f"{base}/ai-gateway", {"usage_tracking_config": {"enabled": True}}),
        "model": ("PUT", f"{base}/config", {"served_entities": [{**entity, "external_model": openai_chat(name="gpt-4o")}]}),
        "served_name": ("PUT", f"{base}/config", {"served_entities": [{**entity, "name": "assistant"}]}),
        "split": ("PUT", f"{base}/config", {"served_entities": [entity, other], "traffic_config": {"routes": routes}}),
    }
    method, path, body = changes[what]
    changed = client.http(method, path, body)
    after = client.wait_until_ready(name)
    facts = {**answer_facts(changed), "config_version_before": _version(before), "config_version_after": _version(after)}
    facts["new_config_version"] = _version(before) != _version(after)
    return Observation(facts, client.exchanges, [row(changed, changed=what)])


def _body(name: str, entity: Mapping[str, Any], gateway: Mapping[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name, "config": {"served_entities": [dict(entity)]}}
    return body | ({"ai_gateway": dict(gateway)} if gateway else {})


def _version(endpoint: Any) -> int:
    return int(endpoint.config.config_version or 0) if endpoint.config else 0


PROGRAMS: dict[str, Program] = {
    "put_gateway": Program(put_gateway, needs_models=False),
    "change_beside_config": Program(change_beside_config, needs_models=False),
}
