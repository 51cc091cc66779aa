"""Programs about endpoints with several external models, their names, tasks and keys."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import PROVIDER_KEY, answer_facts, openai_chat, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.chat_requests import QUESTION
from quizzes.proofs.programs.program import Program

SWITCH_TIMEOUT_S = 3
Model = Mapping[str, Any]


def serve_providers(
    client: ProofClient,
    models: Sequence[Model],
    shares: Mapping[str, int] | None = None,
    calls: int = 0,
    direct: str = "",
    more: Mapping[str, Any] | None = None,
) -> Observation:
    """Create an endpoint with these external models (`served` is the entity's name, the rest is `external_model`).

    When it is accepted, send it `calls` questions with the fields of `more`, or ask the served entity `direct`, and count who
    answered.
    """
    name = client.endpoint_name()
    config: dict[str, Any] = {"served_entities": [_entity(model) for model in models]}
    if shares is not None:
        routes = [{"served_entity_name": each, "traffic_percentage": share} for each, share in shares.items()]
        config["traffic_config"] = {"routes": routes}
    outcome = client.create(name, config)
    created = client.exchanges[-1]
    facts: dict[str, Any] = {**answer_facts(created), "exception": outcome.exception}
    rows: list[dict[str, Any]] = []
    if created.status == 200:
        ready = client.wait_until_ready(name)
        entities = (ready.config.served_entities if ready.config else None) or []
        facts["served_names"] = [entity.name for entity in entities]
        path = f"/serving-endpoints/{name}/served-models/{direct}/invocations" if direct else ""
        path = path or f"/serving-endpoints/{name}/invocations"
        made = [client.http("POST", path, {**QUESTION, **(more or {})}) for _ in range(calls)]
        facts |= _who(made)
        rows = [row(call, call=number) for number, call in enumerate(made, 1)]
    return Observation(facts, client.exchanges, rows)


def key_from_a_secret(client: ProofClient, written: str, stored_as: str = "openai") -> Observation:
    """Store a provider key as a secret, write `written` into `openai_api_key` (`{scope}` becomes the scope's name) and ask."""
    scope = client.endpoint_name("scope")
    client.http("POST", "/api/2.0/secrets/scopes/create", {"scope": scope})
    try:
        secret = {"scope": scope, "key": stored_as, "string_value": PROVIDER_KEY}
        client.http("POST", "/api/2.0/secrets/put", secret)
        return _with_secret(client, written.replace("{scope}", scope))
    finally:
        with client.unrecorded():
            client.http("POST", "/api/2.0/secrets/scopes/delete", {"scope": scope})


def swap_the_model(client: ProofClient, change: Mapping[str, Any]) -> Observation:
    """Ask an endpoint, send a config whose external model has the fields of `change`, and ask again in the same way."""
    name = client.endpoint_name()
    client.deploy(name, {"served_entities": [_entity({"served": "chat"})]})
    before = client.invoke(name, QUESTION)
    client.update(name, {"served_entities": [_entity({"served": "chat", **change})]})
    updated = client.exchanges[-1]
    client.wait_until_ready(name)
    after = _answer_by(client, name, str(change.get("name", "gpt-4o-mini")))
    facts = {
        "update_status": updated.status,
        **answer_facts(after),
        "model_before": (parsed(before) or {}).get("model", ""),
        "model_after": (parsed(after) or {}).get("model", ""),
        "served_by": served_by(after),
    }
    return Observation(facts, client.exchanges, [row(before, asked="before"), row(after, asked="after")])


# --- steps ----------------------------------------------------------------------------------------


def _entity(model: Model) -> dict[str, Any]:
    more = {key: value for key, value in model.items() if key != "served"}
    entity: dict[str, Any] = {"external_model": openai_chat(**more)}
    return entity | ({"name": model["served"]} if model.get("served") else {})


def _answer_by(client: ProofClient, name: str, model: str) -> Exchange:
    """The first answer of that model; gateways may take a moment to route by a new config."""
    deadline = time.monotonic() + SWITCH_TIMEOUT_S
    while True:
        with client.unrecorded():
            answer = client.invoke(name, QUESTION)
        if (parsed(answer) or {}).get("model") == model or time.monotonic() > deadline:
            client.exchanges.append(answer)
            return answer
        time.sleep(0.05)


def _who(made: Sequence[Exchange]) -> dict[str, Any]:
    counts = Counter(served_by(call) for call in made)
    vendor_models = {str((parsed(call) or {}).get("model", "")) for call in made}
    facts: dict[str, Any] = {"calls_failed": sum(call.status != 200 for call in made), "vendor_models": sorted(vendor_models)}
    facts |= {f"answered_by_{name}": count for name, count in counts.items()}
    return facts | {"names_seen": sorted(counts)}


def _with_secret(client: ProofClient, written: str) -> Observation:
    name = client.endpoint_name()
    config = {"served_entities": [{"name": "chat", "external_model": openai_chat(openai_config={"openai_api_key": written})}]}
    outcome = client.create(name, config)
    created = client.exchanges[-1]
    facts: dict[str, Any] = {**answer_facts(created), "exception": outcome.exception}
    if created.status != 200:
        return Observation(facts, client.exchanges)
    client.wait_until_ready(name)
    shown = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    asked = client.invoke(name, QUESTION)
    facts |= {
        "call_status": asked.status,
        "reference_shown": written in shown.response_body,
        "key_shown": PROVIDER_KEY in shown.response_body,
        "tail_shown": PROVIDER_KEY[-4:] in shown.response_body,
    }
    return Observation(facts, client.exchanges, [row(asked, sent="one question")])


PROGRAMS: dict[str, Program] = {
    "serve_providers": Program(serve_providers, needs_models=False),
    "key_from_a_secret": Program(key_from_a_secret, needs_models=False),
    "swap_the_model": Program(swap_the_model, needs_models=False),
}
