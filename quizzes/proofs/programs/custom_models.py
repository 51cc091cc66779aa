"""Programs about endpoints of custom models: creating, querying, splitting, updating."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from quizzes.proofs.client import DEPLOY_TIMEOUT_S, ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, churn_config, customer, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

UPDATE_TRIES = 3
SWITCH_TIMEOUT_S = 5
"""How long gateways may take to route by a config that the API already shows as active."""


def create_endpoint(client: ProofClient, config: Mapping[str, Any], name: str = "endpoint") -> Observation:
    """Send one create call; do not wait."""
    outcome = client.create(client.endpoint_name(name), config)
    return Observation({**answer_facts(client.exchanges[-1]), "exception": outcome.exception}, client.exchanges)


def create_reserved(client: ProofClient, name: str, config: Mapping[str, Any]) -> Observation:
    """Try to create an endpoint of exactly this name, which is not ours to remove afterwards."""
    outcome = client.create(name, config)
    return Observation({**answer_facts(client.exchanges[-1]), "exception": outcome.exception}, client.exchanges)


def get_endpoint(client: ProofClient, name: str) -> Observation:
    """`serving_endpoints.get` of a name that nobody created."""
    outcome = client.sdk(lambda: client.workspace.serving_endpoints.get(f"{client.prefix}-{name}"))
    facts = answer_facts(client.exchanges[-1])
    facts |= {"exception": outcome.exception, "returned": outcome.value is not None}
    facts |= {"ready": outcome.value.state.ready.value if outcome.value else ""}
    return Observation(facts, client.exchanges)


def _input_body(form: str, record: dict[str, Any]) -> Any:
    split = {"columns": list(record), "data": [list(record.values())]}
    bodies: dict[str, Any] = {
        "dataframe_records": {"dataframe_records": [record]},
        "dataframe_split": {"dataframe_split": split},
        "two_keys": {"dataframe_records": [record], "inputs": [record]},
        "bare_list": [record],
        "split_in_a_list": {"dataframe_split": [split]},
    }
    return bodies[form]


def predict(client: ProofClient, form: str = "dataframe_records", add: Mapping[str, Any] | None = None) -> Observation:
    """Deploy one version and send it one customer in the given form, perhaps with columns it does not know."""
    name = client.ready_endpoint(churn_config({"1": 100}))
    plain = client.invoke(name, _input_body("dataframe_records", customer(client)))
    asked = client.invoke(name, _input_body(form, {**customer(client), **(add or {})}))
    facts = answer_facts(asked)
    body = parsed(asked)
    predictions = body.get("predictions") if isinstance(body, dict) else None
    facts |= {"predictions": len(predictions) if isinstance(predictions, list) else 0}
    facts |= {"null_predictions": isinstance(predictions, list) and None in predictions}
    facts |= {"same_as_without": asked.status == 200 and predictions == (parsed(plain) or {}).get("predictions")}
    return Observation(facts, client.exchanges, [row(plain, sent="only the model's columns"), row(asked, sent=form)])


def who_answered(client: ProofClient) -> Observation:
    """Send calls at 50/50 and look at every place where the answering entity could be named."""
    name = client.ready_endpoint(churn_config({"1": 50, "2": 50}))
    calls = [client.invoke(name, _input_body("dataframe_records", customer(client))) for _ in range(12)]
    bodies = [parsed(call) or {} for call in calls]
    description = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    first = bodies[0].get("predictions", [None])
    facts = {
        "status": calls[0].status,
        "body_keys": sorted(bodies[0]),
        "predictions_are_objects": bool(first) and isinstance(first[0], dict),
        "header_present": all(served_by(call) for call in calls),
        "names_seen": len({served_by(call) for call in calls}),
        "description_names_last": "last_served" in description.response_body,
    }
    return Observation(facts, client.exchanges, [row(call, call=number) for number, call in enumerate(calls, 1)])


def update_under_load(client: ProofClient) -> Observation:
    """Move an endpoint from version 1 to version 2 while calling it without a pause.

    On a busy machine the rollout may be over before the first call; then it is done again, UPDATE_TRIES times at most.
    """
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    body = _input_body("dataframe_records", customer(client))
    seen = _update_once(client, name, body)
    for _ in range(UPDATE_TRIES - 1):
        if seen.facts["first_answered_by"] != "churn-2":
            break
        client.update(name, churn_config({"1": 100}))
        client.wait_until_ready(name)
        _answer_of(client, name, "churn-1", body)
        client.exchanges.clear()
        seen = _update_once(client, name, body)
    return seen


def _update_once(client: ProofClient, name: str, body: Any) -> Observation:
    """One update from version 1 to 2 under load, and what callers saw of it."""
    update = client.update(name, churn_config({"2": 100}))
    accepted = client.exchanges[-1]
    calls, state_during = _call_while_updating(client, name, body)
    after = _answer_of(client, name, "churn-2", body)
    served = Counter((served_by(call), call.status) for call in calls)
    facts = {
        "update_status": accepted.status,
        "exception": update.exception,
        "ready_during_update": state_during,
        "first_answered_by": served_by(calls[0]),
        "failed_calls": sum(call.status != 200 for call in calls),
        "finally_answered_by": served_by(after),
    }
    rows = [{"answered by": who or "—", "status": status, "calls": count} for (who, status), count in served.items()]
    return Observation(facts, [accepted, calls[0], after], rows)


def _call_while_updating(client: ProofClient, name: str, body: Any) -> tuple[list[Exchange], str]:
    """Invoke until the update is over; the invocations, and `state.ready` as it was while updating."""
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    calls, ready = [], ""
    with client.unrecorded():
        while time.monotonic() < deadline:
            calls.append(client.invoke(name, body))
            state = (parsed(client.http("GET", f"/api/2.0/serving-endpoints/{name}")) or {}).get("state", {})
            if state.get("config_update") != "IN_PROGRESS":
                return calls, ready or str(state.get("ready", ""))
            ready = str(state.get("ready", ""))
            time.sleep(0.02)
    raise ProofCouldNotRun(f"The update of {name} did not end within {DEPLOY_TIMEOUT_S} s.")


def _answer_of(client: ProofClient, name: str, wanted: str, body: Any) -> Exchange:
    """The first answer by `wanted`; after SWITCH_TIMEOUT_S the last answer, whoever gave it."""
    deadline = time.monotonic() + SWITCH_TIMEOUT_S
    while True:
        with client.unrecorded():
            answer = client.invoke(name, body)
        if served_by(answer) == wanted or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def call_the_challenger(client: ProofClient, way: str, calls: int = 10) -> Observation:
    """With all traffic routed to version 1, try to reach version 2 in the given way."""
    name = client.ready_endpoint(churn_config({"1": 100, "2": 0}))
    body = _input_body("dataframe_records", customer(client))
    made = [_ask_for_version_2(client, name, way, body) for _ in range(calls)]
    facts = {
        "status": made[0].status,
        "answered_by_churn_2": sum(served_by(call) == "churn-2" for call in made),
        "answered_by_churn_1": sum(served_by(call) == "churn-1" for call in made),
    }
    return Observation(facts, client.exchanges, [row(call, call=number) for number, call in enumerate(made, 1)])


def _ask_for_version_2(client: ProofClient, name: str, way: str, body: dict[str, Any]) -> Exchange:
    match way:
        case "path":
            return client.http("POST", f"/serving-endpoints/{name}/served-models/churn-2/invocations", body)
        case "header":
            return client.invoke(name, body, headers={"served-model-name": "churn-2"})
        case "query":
            return client.http("POST", f"/serving-endpoints/{name}/invocations?served_entity_name=churn-2", body)
        case _:
            return client.invoke(name, {**body, "served_entity_name": "churn-2"})


PROGRAMS: dict[str, Program] = {
    "create_endpoint": Program(create_endpoint, needs_models=True),
    "create_reserved": Program(create_reserved, needs_models=True),
    "get_endpoint": Program(get_endpoint, needs_models=False),
    "predict": Program(predict, needs_models=True),
    "who_answered": Program(who_answered, needs_models=True),
    "update_under_load": Program(update_under_load, needs_models=True),
    "call_the_challenger": Program(call_the_challenger, needs_models=True),
}
