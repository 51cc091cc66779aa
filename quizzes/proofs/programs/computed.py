"""Programs of the computed items: each acts with the values it is given and reports the key and the near misses as facts."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, churn_config, customer, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.chat_requests import external_endpoint
from quizzes.proofs.programs.foundation_models import EMBEDDINGS
from quizzes.proofs.programs.program import Program
from quizzes.proofs.programs.retrieval import rank
from quizzes.proofs.programs.scenarios import play

SIGMAS = 5
"""How far a counted share may lie from the configured one, in standard deviations, before the sandbox is not believed."""


def share_out(client: ProofClient, first: int, calls: int) -> Observation:
    """Route `first` percent to version 1 and the rest to version 2, and send `calls` calls.

    expected_first and expected_second come from the routes that the endpoint reports; what was counted must agree with them.
    """
    name = client.ready_endpoint(churn_config({"1": first, "2": 100 - first}))
    routes = _routes(client, name)
    body = {"dataframe_records": [customer(client)]}
    with client.unrecorded():
        answers = [served_by(client.invoke(name, body)) for _ in range(calls)]
    expected = {entity: calls * share // 100 for entity, share in routes.items()}
    counted = answers.count("churn-2")
    spread = SIGMAS * sqrt(calls * first * (100 - first)) / 100
    if abs(counted - expected["churn-2"]) > spread:
        raise ProofCouldNotRun(f"{counted} of {calls} calls came to churn-2; {expected['churn-2']} ± {spread:.0f} were expected.")
    facts = {"expected_first": expected["churn-1"], "expected_second": expected["churn-2"], "half": calls // 2}
    rows = [{"served entity": entity, "share": share, "expected": expected[entity]} for entity, share in routes.items()]
    return Observation(facts, client.exchanges, rows)


def _routes(client: ProofClient, name: str) -> dict[str, int]:
    shown = parsed(client.http("GET", f"/api/2.0/serving-endpoints/{name}")) or {}
    routes = shown["config"]["traffic_config"]["routes"]
    return {route["served_entity_name"]: route["traffic_percentage"] for route in routes}


def split_body(client: ProofClient, rows: int) -> Observation:
    """Send `rows` customers as dataframe_split: how many predictions come back, beside other counts of the body."""
    name = client.ready_endpoint(churn_config({"1": 100}))
    records = [customer(client, position) for position in range(rows)]
    columns = list(records[0])
    data = [[record[column] for column in columns] for record in records]
    asked = client.invoke(name, {"dataframe_split": {"columns": columns, "data": data}})
    predictions = (parsed(asked) or {}).get("predictions") or []
    facts = {"predictions": len(predictions), "columns": len(columns), "cells": rows * len(columns)}
    return Observation({**answer_facts(asked), **facts}, client.exchanges, [row(asked, sent=f"{rows} rows")])


REFUSED_BODIES: dict[str, Any] = {
    "two_forms": lambda record: {"dataframe_records": [record], "inputs": [record]},
    "no_form": lambda record: {"rows": [record]},
    "bare_list": lambda record: [record],
}
MISSING = "no-such-endpoint"


def refuse(client: ProofClient, case: str) -> Observation:
    """Status and error code of a call that cannot be answered, beside those of other mistakes."""
    name = client.ready_endpoint(churn_config({"1": 100}))
    record = customer(client)
    made = {kind: client.invoke(name, body(record)) for kind, body in REFUSED_BODIES.items()}
    made["missing"] = client.invoke(f"{client.prefix}-{MISSING}", {"dataframe_records": [record]})
    made["no_token"] = client.invoke(name, {"dataframe_records": [record]}, token="dapi-not-a-token")  # noqa: S106 - not one
    fine = client.invoke(name, {"dataframe_records": [record]})
    said = {kind: _said(exchange) for kind, exchange in made.items()}
    others = [text for text in dict.fromkeys([*said.values(), "422 UNPROCESSABLE_ENTITY"]) if text != said[case]]
    facts = {"answer": said[case], "other": others[0], "third": others[1], "without": f"{fine.status} with a prediction"}
    return Observation(facts, client.exchanges, [row(exchange, sent=kind) for kind, exchange in made.items()])


def _said(exchange: Exchange) -> str:
    facts = answer_facts(exchange)
    return f"{exchange.status} {facts.get('error_code', '')}".strip()


def cast(client: ProofClient, column: str, value: Any) -> Observation:
    """Send one customer with `value` in `column`: a prediction, or an error."""
    name = client.ready_endpoint(churn_config({"1": 100}))
    asked = client.invoke(name, {"dataframe_records": [{**customer(client), column: value}]})
    is_fine = asked.status == 200
    outcomes = ("Status 200 and a prediction", "Status 400 and an error about the value")
    facts = {"outcome": outcomes[0 if is_fine else 1], "other_outcome": outcomes[1 if is_fine else 0]}
    return Observation({**answer_facts(asked), **facts}, client.exchanges, [row(asked, sent=f"{column} = {value!r}")])


def count_config_versions(client: ProofClient, updates: int) -> Observation:
    """Create an endpoint, update its config `updates` times, and read the active config's number."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    for number in range(1, updates + 1):
        outcome = client.update(name, churn_config({"1": 100 - 10 * number, "2": 10 * number}))
        if outcome.exception:
            raise ProofCouldNotRun(f"The update was refused: {client.exchanges[-1].response_body}")
        client.wait_until_ready(name)
    shown = parsed(client.http("GET", f"/api/2.0/serving-endpoints/{name}")) or {}
    version = shown["config"]["config_version"]
    facts = {"active": version, "before": version - 1, "after": version + 1}
    return Observation(facts, client.exchanges, [{"updates": updates, "config_version": version}])


def count_logged(client: ProofClient, calls: int, rows: int) -> Observation:
    """Send `calls` requests with `rows` customers each to an endpoint with an inference table, and count the table's rows."""
    steps: list[Mapping[str, Any]] = [
        {"do": "call", "as": "calls", "count": calls, "rows": rows},
        {"do": "sql", "as": "table", "statement": "SELECT count(*) FROM {table}"},
    ]
    seen = play(client, steps)
    facts = {"logged": seen.facts["table.value"], "scored": calls * rows, "calls": calls, "rows": rows}
    return Observation(facts, seen.exchanges, seen.rows)


def past_the_routes(client: ProofClient, direct: int, routed: int) -> Observation:
    """All traffic goes to version 1; `routed` calls go to the endpoint, `direct` ones to version 2's own address."""
    name = client.ready_endpoint(churn_config({"1": 100, "2": 0}))
    body = {"dataframe_records": [customer(client)]}
    path = f"/serving-endpoints/{name}/served-models/churn-2/invocations"
    calls = [client.invoke(name, body) for _ in range(routed)] + [client.http("POST", path, body) for _ in range(direct)]
    by = [served_by(call) for call in calls]
    facts = {"by_second": by.count("churn-2"), "by_first": by.count("churn-1"), "all": len(calls)}
    return Observation(facts, client.exchanges, [row(call, call=number) for number, call in enumerate(calls, 1)])


def stability_index(client: ProofClient, expected: Sequence[int], observed: Sequence[int]) -> Observation:
    """Population stability index of two binned distributions (percent of each bin), and sums that are mistaken for it."""
    pairs = ", ".join(f"({one / 100}, {other / 100})" for one, other in zip(expected, observed, strict=True))
    statement = (
        "SELECT round(sum((o - e) * ln(o / e)), 3), round(sum(abs(o - e)), 3), round(sum(o * ln(o / e)), 3), "  # noqa: S608 - numbers only
        f"round(sum((o - e) * (o - e) / e), 3) FROM (VALUES {pairs}) AS bins(e, o)"
    )
    asked = client.http("POST", "/api/2.0/sql/statements", {"statement": statement, "warehouse_id": "sandbox"})
    cells = ((parsed(asked) or {}).get("result") or {}).get("data_array") or []
    if asked.status != 200 or not cells:
        raise ProofCouldNotRun(f"The statement was not run: {asked.response_body[:300]}")
    index, distance, divergence, chi = (f"{float(cell):.3f}" for cell in cells[0])
    facts = {"psi": index, "distance": distance, "divergence": divergence, "chi": chi}
    rows = [
        {"bin": n, "baseline %": one, "now %": other} for n, (one, other) in enumerate(zip(expected, observed, strict=True), 1)
    ]
    return Observation(facts, client.exchanges, rows)


def charge(client: ProofClient, words: str, limit: int) -> Observation:
    """Ask an external chat model with `max_tokens` and read its usage and why it stopped."""
    name = external_endpoint(client)
    asked = client.invoke(name, {"messages": [{"role": "user", "content": words}], "max_tokens": limit})
    body = parsed(asked) or {}
    usage, choices = body.get("usage") or {}, body.get("choices") or [{}]
    read, written = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    reason = choices[0].get("finish_reason", "")
    facts = {
        **answer_facts(asked),
        "prompt": read,
        "completion": written,
        "total": usage.get("total_tokens", 0),
        "twice": usage.get("total_tokens", 0) + read,
        "finish_reason": reason,
        "other_finish_reason": "stop" if reason == "length" else "length",
    }
    return Observation(facts, client.exchanges, [{"max_tokens": limit, **usage, "finish_reason": reason}])


def embed_list(client: ProofClient, count: int) -> Observation:
    """Embed `count` texts in one call: how many entries there are, and the index of the last."""
    asked = client.invoke(EMBEDDINGS, {"input": [f"Complaint number {number}" for number in range(1, count + 1)]})
    entries = (parsed(asked) or {}).get("data") or []
    last = entries[-1]["index"] if entries else None
    facts = {**answer_facts(asked), "entries": len(entries), "last": last, "past": len(entries)}
    return Observation(facts, client.exchanges, [{"index": entry["index"]} for entry in entries])


def nearest(client: ProofClient, question: str, passages: Mapping[str, str]) -> Observation:
    """Which of the passages the embeddings endpoint finds nearest to the question, and the order of the others."""
    seen = rank(client, question, passages)
    order = seen.facts["order"]
    return Observation({"nearest": order[0], "second": order[1], "third": order[2]}, seen.exchanges, seen.rows)


PROGRAMS: dict[str, Program] = {
    "share_out": Program(share_out, needs_models=True),
    "split_body": Program(split_body, needs_models=True),
    "refuse": Program(refuse, needs_models=True),
    "cast": Program(cast, needs_models=True),
    "count_config_versions": Program(count_config_versions, needs_models=True),
    "count_logged": Program(count_logged, needs_models=True),
    "past_the_routes": Program(past_the_routes, needs_models=True),
    "stability_index": Program(stability_index, needs_models=False),
    "charge": Program(charge, needs_models=False),
    "embed_list": Program(embed_list, needs_models=False),
    "nearest": Program(nearest, needs_models=False),
}
