"""Programs about single calls of REST addresses: what a body, an address, a method or a credential brings."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import CHURN, answer_facts, churn_config, customer, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

Record = dict[str, Any]

PLACEHOLDERS: dict[str, Callable[[list[Record]], Any]] = {
    "$records": lambda records: records,
    "$record": lambda records: records[0],
    "$columns": lambda records: list(records[0]),
    "$columns_reversed": lambda records: list(records[0])[::-1],
    "$rows": lambda records: [list(record.values()) for record in records],
    "$rows_reversed": lambda records: [list(record.values())[::-1] for record in records],
    "$row": lambda records: list(records[0].values()),
    "$short_rows": lambda records: [list(record.values())[:-1] for record in records],
    "$by_column": lambda records: {name: [record[name] for record in records] for name in records[0]},
    "$by_row_number": lambda records: {str(number): record for number, record in enumerate(records)},
    "$as_text": lambda records: json.dumps({"dataframe_records": records}),
}
"""What a word in a body of a bank file stands for, made from the example customers."""


def send_body(
    client: ProofClient,
    body: Any,
    rows: int = 1,
    change: Mapping[str, Any] | None = None,
    drop: Sequence[str] = (),
    as_text: Sequence[str] = (),
) -> Observation:
    """Deploy version 1 and send `rows` customers in `body`, where $words stand for them.

    `change` sets columns of each row, `drop` takes columns away, `as_text` sends their values as strings.
    """
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    plain = [customer(client, position) for position in range(rows)]
    records = [_changed(record, change or {}, drop, as_text) for record in plain]
    expected = _predictions(client.invoke(name, {"dataframe_records": plain}))
    asked = client.invoke(name, filled(body, records))
    predictions = _predictions(asked)
    facts = answer_facts(asked)
    facts |= {"predictions": len(predictions), "same_as_records": asked.status == 200 and predictions == expected}
    facts |= {"null_predictions": None in predictions}
    facts |= {"body_keys": sorted(parsed(asked) or {}) if isinstance(parsed(asked), dict) else []}
    return Observation(facts, client.exchanges, [row(asked, rows=rows)])


def filled(body: Any, records: list[Record]) -> Any:
    """The body with every $word replaced."""
    if isinstance(body, str) and body in PLACEHOLDERS:
        return PLACEHOLDERS[body](records)
    if isinstance(body, Mapping):
        return {key: filled(value, records) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, records) for value in body]
    return body


def _changed(record: Record, change: Mapping[str, Any], drop: Sequence[str], as_text: Sequence[str]) -> Record:
    kept = {name: str(value) if name in as_text else value for name, value in record.items() if name not in drop}
    return {**kept, **change}


def _predictions(exchange: Exchange) -> list[Any]:
    body = parsed(exchange)
    found = body.get("predictions") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def ask_at(client: ProofClient, path: str, method: str = "POST", credential: str = "bearer") -> Observation:
    """Deploy version 1 and call an address; {name} in it is the endpoint's name. `credential` says where the token goes."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    body: dict[str, Any] = {"dataframe_records": [customer(client)]}
    place = path.replace("{name}", name)
    match credential:
        case "bearer":
            asked = client.http(method, place, body)
        case "body":
            asked = client.http(method, place, {**body, "token": "$TOKEN"}, headers={"Authorization": ""})
        case "own_header":
            asked = client.http(method, place, body, headers={"Authorization": "", "X-Api-Key": "$TOKEN"})
        case "revoked":
            asked = client.http(method, place, body, token=_revoked_token(client))
        case _:
            asked = client.http(method, place, body, headers={"Authorization": ""})
    facts = {**answer_facts(asked), "predictions": len(_predictions(asked)), "answered_by": served_by(asked)}
    return Observation(facts, client.exchanges, [row(asked, call=f"{method} {path}")])


def _revoked_token(client: ProofClient) -> str:
    """A token that was valid a moment ago."""
    with client.unrecorded():
        made = client.workspace.tokens.create(comment=client.prefix, lifetime_seconds=600)
        client.workspace.tokens.delete(token_id=str(made.token_info.token_id) if made.token_info else "")
    return str(made.token_value)


def read_answer(client: ProofClient, steps: Sequence[Any], rows: int = 3) -> Observation:
    """Send some customers and walk `steps` (keys and positions) through the JSON answer."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    asked = client.invoke(name, {"dataframe_records": [customer(client, position) for position in range(rows)]})
    value, error = walk(parsed(asked), steps)
    facts = {**answer_facts(asked), "found": not error, "error": error, "is_a_label": value in {"Yes", "No"}}
    return Observation(facts, client.exchanges, [row(asked, path=str(list(steps)), found=str(value)[:60])])


def query_by_sdk(client: ProofClient, method: str, field: str, attribute: str) -> Observation:
    """Call `w.serving_endpoints.<method>(name=…, <field>=rows)` of the SDK and read `.<attribute>` of what comes back."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    rows = [customer(client, position) for position in range(2)]
    function = getattr(client.workspace.serving_endpoints, method, None)
    error, value = "AttributeError" if function is None else "", None
    if function is not None:
        try:
            value = getattr(function(name=name, **{field: rows}), attribute)
        except (TypeError, AttributeError) as raised:
            error = type(raised).__name__
    facts = {"error": error, "values": len(value) if isinstance(value, list) else 0}
    return Observation(facts, client.exchanges)


def walk(value: Any, steps: Sequence[Any]) -> tuple[Any, str]:
    """The value at the end, or None and the name of the exception that Python raises on the way."""
    try:
        for step in steps:
            value = value[step]
    except (KeyError, IndexError, TypeError) as error:
        return None, type(error).__name__
    return value, ""


def call_api(
    client: ProofClient,
    method: str,
    path: str,
    body: Any = None,
    deployed: bool = False,
    wait: bool = False,
) -> Observation:
    """One call of the management API; {name} in path and body is the endpoint's name.

    `deployed`: version 1 of the churn model serves there before. `wait`: look again when the update is over.
    """
    name = client.endpoint_name()
    if deployed:
        client.deploy(name, churn_config({"1": 100}))
    called = client.http(method, path.replace("{name}", name), _named(body, name))
    if wait and called.status == 200:
        client.wait_until_ready(name)
    shown = client.http("GET", f"/api/2.0/serving-endpoints/{name}")
    answer = parsed(called)
    facts = {**answer_facts(called), "answer_keys": sorted(answer) if isinstance(answer, dict) else [], **described(shown)}
    return Observation(facts, client.exchanges, [row(called, call=f"{method} {path}")])


def _named(body: Any, name: str) -> Any:
    return json.loads(json.dumps(body).replace("{name}", name))


def described(shown: Exchange) -> dict[str, Any]:
    """What a GET of an endpoint says, as flat facts; `exists` is false when there is none."""
    body = parsed(shown)
    if shown.status != 200 or not isinstance(body, dict):
        return {"exists": False}
    config = body.get("config") or body.get("pending_config") or {}
    entities = config.get("served_entities") or []
    routes = (config.get("traffic_config") or {}).get("routes") or []
    return {
        "exists": True,
        "ready": body["state"]["ready"],
        "config_update": body["state"]["config_update"],
        "config_version": config.get("config_version", 0),
        "served": [
            f"{entity.get('entity_name', '').removeprefix(CHURN)}{entity.get('entity_version', '')}" for entity in entities
        ],
        "shares": [route.get("traffic_percentage") for route in routes],
        "entity_states": [(entity.get("state") or {}).get("deployment", "") for entity in entities],
        "tags": [f"{tag['key']}={tag['value']}" for tag in body.get("tags", [])],
    }


PROGRAMS: dict[str, Program] = {
    "send_body": Program(send_body, needs_models=True),
    "ask_at": Program(ask_at, needs_models=True),
    "read_answer": Program(read_answer, needs_models=True),
    "query_by_sdk": Program(query_by_sdk, needs_models=True),
    "call_api": Program(call_api, needs_models=True),
}
