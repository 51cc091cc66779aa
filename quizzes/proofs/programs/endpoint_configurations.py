"""Programs about what a configuration makes an endpoint do: readiness, shares, secrets, and the order of steps."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import CHURN, answer_facts, churn_config, churn_entity, customer, parsed, row, served_by
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs.model_registry import add_version, own_model, source_of
from quizzes.proofs.programs.program import Program
from quizzes.proofs.programs.scoring_requests import described, walk

SECRET = "s3cr3t-of-this-proof"  # noqa: S105 - not a real secret
SPLIT_CALLS = 200


def first_minutes(client: ProofClient) -> Observation:
    """Create an endpoint, look at what the call returns, wait, and look and ask again."""
    name = client.endpoint_name()
    body = {"name": name, "config": churn_config({"1": 100})}
    created = client.http("POST", "/api/2.0/serving-endpoints", body)
    at_once = described(created)
    client.wait_until_ready(name)
    later = described(client.http("GET", f"/api/2.0/serving-endpoints/{name}"))
    asked = client.invoke(name, {"dataframe_records": [customer(client)]})
    facts = {
        "create_status": created.status,
        "ready_at_once": at_once.get("ready", ""),
        "update_at_once": at_once.get("config_update", ""),
        "ready_later": later.get("ready", ""),
        "update_later": later.get("config_update", ""),
        "query_status": asked.status,
    }
    return Observation(facts, client.exchanges)


def look_up(client: ProofClient, steps: Sequence[Any]) -> Observation:
    """GET a READY endpoint and walk `steps` (keys and positions) through the answer."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    shown = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    value, error = walk(parsed(shown), steps)
    return Observation({**answer_facts(shown), "value": value, "error": error}, client.exchanges)


def read_about_build(client: ProofClient, path: str) -> Observation:
    """Read an address of a deployed endpoint and see whether it tells how the model was prepared."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    shown = client.http("GET", path.replace("{name}", name))
    facts = {**answer_facts(shown), "tells_of_the_build": shown.status == 200 and "Loaded model" in shown.response_body}
    return Observation(facts, client.exchanges)


def create_twice(client: ProofClient) -> Observation:
    """Create an endpoint with version 1, then call create with the same name and version 2."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    outcome = client.create(name, churn_config({"2": 100}))
    refused = client.exchanges[-1]
    shown = described(client.http("GET", f"/api/2.0/serving-endpoints/{name}"))
    facts = {**answer_facts(refused), "exception": outcome.exception, "served": shown["served"]}
    return Observation({**facts, "config_version": shown["config_version"]}, client.exchanges)


def update_twice(client: ProofClient) -> Observation:
    """Begin an update to version 2 and, while it is in progress, ask for one that gives both versions half."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    place = f"/api/2.0/serving-endpoints/{name}/config"
    first = client.http("PUT", place, churn_config({"2": 100}))
    second = client.http("PUT", place, churn_config({"1": 50, "2": 50}))
    client.wait_until_ready(name)
    shown = described(client.http("GET", f"/api/2.0/serving-endpoints/{name}"))
    facts = {"first_status": first.status, "second_status": second.status, "served": shown["served"]}
    return Observation({**facts, "config_version": shown["config_version"]}, client.exchanges)


def share_of_calls(client: ProofClient, first: int, second: int, calls: int = SPLIT_CALLS) -> Observation:
    """Send many single calls at the given percentages and count who answered."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": first, "2": second}))
    body = {"dataframe_records": [customer(client)]}
    seen: Counter[str] = Counter()
    with client.unrecorded():
        for _ in range(calls):
            seen[served_by(client.invoke(name, body))] += 1
    shown = described(client.http("GET", f"/api/2.0/serving-endpoints/{name}"))
    facts = {
        "calls": calls,
        "by_version_1": seen["churn-1"],
        "by_version_2": seen["churn-2"],
        "failed": calls - seen["churn-1"] - seen["churn-2"],
        "entity_states": shown["entity_states"],
        "shares": shown["shares"],
    }
    return Observation(facts, client.exchanges, [{"answered by": who or "—", "calls": count} for who, count in seen.items()])


def one_body_many_rows(client: ProofClient, rows: int = 40) -> Observation:
    """At 50/50 send all rows in one body; compare the predictions with what each version says of the same rows."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 50, "2": 50}))
    body = {"dataframe_records": [_like(customer(client), position) for position in range(rows)]}
    asked = client.invoke(name, body)
    direct = {
        version: parsed(client.http("POST", f"/serving-endpoints/{name}/served-models/{version}/invocations", body))[
            "predictions"
        ]
        for version in ("churn-1", "churn-2")
    }
    predictions = (parsed(asked) or {}).get("predictions", [])
    facts = {
        "status": asked.status,
        "predictions": len(predictions),
        "header_names_one": served_by(asked) in direct,
        "all_by_the_named": predictions == direct.get(served_by(asked)),
        "versions_differ": direct["churn-1"] != direct["churn-2"],
    }
    return Observation(facts, client.exchanges, [row(asked, rows=rows)])


def _like(record: dict[str, Any], position: int) -> dict[str, Any]:
    """Customers whose tenure and charges run over the range in which the versions disagree."""
    charges = 80.0 + position
    months = {"tenure": position, "MonthlyCharges": charges, "TotalCharges": charges * position}
    return {**record, "SeniorCitizen": 0, "Contract": "Month-to-month", "InternetService": "DSL", **months}


def route_to(client: ProofClient, names: Mapping[str, int]) -> Observation:
    """Serve both versions under the names `current` and `challenger`, with routes to the given names."""
    entities = [{**churn_entity("1"), "name": "current"}, {**churn_entity("2"), "name": "challenger"}]
    routes = [{"served_entity_name": name, "traffic_percentage": share} for name, share in names.items()]
    outcome = client.create(client.endpoint_name(), {"served_entities": entities, "traffic_config": {"routes": routes}})
    return Observation({**answer_facts(client.exchanges[-1]), "exception": outcome.exception}, client.exchanges)


def secret_for_model(client: ProofClient, value: str = "{{secrets/scope/key}}") -> Observation:
    """Keep a password in a secret scope, name it in environment_vars, and read the endpoint back.

    `scope` in `value` becomes a scope of this run's own.
    """
    scope, name = client.prefix, client.endpoint_name()
    with client.unrecorded():
        client.http("POST", "/api/2.0/secrets/scopes/create", {"scope": scope})
        client.http("POST", "/api/2.0/secrets/put", {"scope": scope, "key": "key", "string_value": SECRET})
    given = value.replace("scope", scope).replace("PLAIN", SECRET)
    try:
        entity = churn_entity("1", environment_vars={"STORE_PASSWORD": given})
        created = client.http("POST", "/api/2.0/serving-endpoints", {"name": name, "config": {"served_entities": [entity]}})
        shown = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    finally:
        with client.unrecorded():
            client.http("POST", "/api/2.0/secrets/scopes/delete", {"scope": scope})
    facts = {
        **answer_facts(created),
        "secret_in_answer": SECRET in shown.response_body,
        "reference_in_answer": "{{secrets/" in shown.response_body,
    }
    return Observation(facts, client.exchanges)


def release(client: ProofClient) -> Observation:
    """Register a version, point the alias at it, create an endpoint with its number, wait, and ask it."""
    with own_model(client, 0) as model:
        added = add_version(client, model, source_of(client))
        version = str((parsed(added) or {})["model_version"]["version"])
        client.http("POST", "/api/2.0/mlflow/registered-models/alias", {"name": model, "alias": "champion", "version": version})
        name = client.endpoint_name()
        entity = {**churn_entity(version), "name": "champion", "entity_name": model}
        created = client.http("POST", "/api/2.0/serving-endpoints", {"name": name, "config": {"served_entities": [entity]}})
        client.wait_until_ready(name)
        asked = client.invoke(name, {"dataframe_records": [customer(client)]})
    facts = {"create_status": created.status, "version": version, "query_status": asked.status, "answered_by": served_by(asked)}
    return Observation(facts, client.exchanges, [row(asked, sent="one customer")])


def canary(client: ProofClient) -> Observation:
    """Give version 2 a tenth beside version 1, then everything, then take version 1 away; nobody gets an error."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    body = {"dataframe_records": [customer(client)]}
    statuses, served = [], []
    for shares in ({"1": 90, "2": 10}, {"1": 0, "2": 100}, {"2": 100}):
        updated = client.http("PUT", f"/api/2.0/serving-endpoints/{name}/config", churn_config(shares))
        statuses.append(updated.status)
        client.wait_until_ready(name)
        statuses.append(client.invoke(name, body).status)
        served.append(json.dumps(described(client.http("GET", f"/api/2.0/serving-endpoints/{name}"))["shares"]))
    facts = {"statuses": sorted(set(statuses)), "shares": served, "model": CHURN}
    return Observation(facts, client.exchanges)


PROGRAMS: dict[str, Program] = {
    "first_minutes": Program(first_minutes, needs_models=True),
    "look_up": Program(look_up, needs_models=True),
    "read_about_build": Program(read_about_build, needs_models=True),
    "create_twice": Program(create_twice, needs_models=True),
    "update_twice": Program(update_twice, needs_models=True),
    "share_of_calls": Program(share_of_calls, needs_models=True),
    "one_body_many_rows": Program(one_body_many_rows, needs_models=True),
    "route_to": Program(route_to, needs_models=True),
    "secret_for_model": Program(secret_for_model, needs_models=True),
    "release": Program(release, needs_models=True),
    "canary": Program(canary, needs_models=True),
}
