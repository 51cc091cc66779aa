"""Programs about the gateway's settings of an endpoint: what a PUT replaces, what it leaves alone, what it refuses."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, openai_chat, parsed, row
from quizzes.proofs.observation import Exchange, Observation
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


def call_under_limits(client: ProofClient, limits: Sequence[Mapping[str, Any]], count: int = 0) -> Observation:
    """Give a chat endpoint these rate limits, then call it `count` times within one minute, in which limits are counted.

    `{group}` in a limit is a group without the caller that lives for this run.
    Facts: status and message of the call that sets the limits; of the others how many were answered and refused (429), and
    `refusal`, the message of the first that was.
    """
    name = client.endpoint_name()
    client.deploy(name, {"served_entities": [{"name": "chat", "external_model": openai_chat()}]})
    with _group_of_others(client, needed="{group}" in json.dumps(limits)) as group:
        wanted = json.loads(json.dumps({"rate_limits": limits}).replace("{group}", group))
        put = client.http("PUT", f"/api/2.0/serving-endpoints/{name}/ai-gateway", wanted)
        calls = _within_a_minute(client, name, count)
    refused = [call for call in calls if call.status == 429]
    facts = {
        "message": "",
        **answer_facts(put),
        "answered": sum(call.status == 200 for call in calls),
        "refused": len(refused),
        "refusal": answer_facts(refused[0])["message"] if refused else "",
    }
    return Observation(facts, client.exchanges, [row(call, call=number) for number, call in enumerate(calls, 1)])


@contextmanager
def _group_of_others(client: ProofClient, needed: bool) -> Iterator[str]:
    """The name of a group that is there while it is needed."""
    if not needed:
        yield ""
        return
    groups, name = "/api/2.0/preview/scim/v2/Groups", f"{client.prefix}-analysts"
    with client.unrecorded():
        made = parsed(client.http("POST", groups, {"displayName": name})) or {}
    if "id" not in made:
        raise ProofCouldNotRun(f"The group of this proof was not made: {made}")
    try:
        yield name
    finally:
        with client.unrecorded():
            client.http("DELETE", f"{groups}/{made['id']}")


def _within_a_minute(client: ProofClient, name: str, count: int) -> list[Exchange]:
    """The calls; made anew when the counting minute ended among them, which then gives each call another allowance."""
    while True:
        began_s, recorded = time.time(), len(client.exchanges)
        calls = [client.invoke(name, QUESTION) for _ in range(count)]
        if began_s // 60 == time.time() // 60:
            return calls
        del client.exchanges[recorded:]


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
    "call_under_limits": Program(call_under_limits, needs_models=False),
    "change_beside_config": Program(change_beside_config, needs_models=False),
}
