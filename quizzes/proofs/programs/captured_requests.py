"""Programs that send requests and then read the endpoint's inference table with SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import openai_chat, parsed
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

Request = Mapping[str, Any]


def query_captured(
    client: ProofClient,
    sql: str,
    requests: Sequence[Request] = ({"messages": [{"role": "user", "content": "Say hello."}]},),
    models: Mapping[str, int] | None = None,
) -> Observation:
    """Send the requests to an endpoint, wait until they are in its inference table, then run `sql` ({table} is its name).

    `models`: external chat model to its share of the traffic. `_large` in a request: so many bytes more in its message.
    Facts: state, error, rows, columns, first (the first row by column) and each value of the first row as `value_<column>`.
    """
    name = client.endpoint_name("log")
    table = f"`main`.`default`.`{name}_payload`"
    _deploy(client, name, models or {"gpt-4o-mini": 100})
    sent = [client.invoke(name, _filled(body)) for body in requests]
    client.wait_for_rows(name, len(requests))
    answer = _run(client, sql.replace("{table}", table))
    facts = {**_facts(answer), "requests_sent": len(sent), "statuses": [each.status for each in sent]}
    rows = [dict(zip(facts["columns"], values, strict=True)) for values in _data(answer)]
    return Observation(facts, client.exchanges, rows)


def _deploy(client: ProofClient, name: str, models: Mapping[str, int]) -> None:
    entities = [{"name": model.replace(".", "-"), "external_model": openai_chat(name=model)} for model in models]
    routes = [{"served_entity_name": model.replace(".", "-"), "traffic_percentage": share} for model, share in models.items()]
    client.deploy(name, {"served_entities": entities, "traffic_config": {"routes": routes}})


def _filled(body: Request) -> dict[str, Any]:
    """The request without `_large`, its last message lengthened by so many bytes."""
    filled = {key: value for key, value in body.items() if key != "_large"}
    if size := body.get("_large"):
        *others, last = filled["messages"]
        filled["messages"] = [*others, {**last, "content": last["content"] + "x" * int(size)}]
    return filled


def _run(client: ProofClient, statement: str) -> Exchange:
    return client.http("POST", "/api/2.0/sql/statements", {"statement": statement, "warehouse_id": "sandbox"})


def _data(answer: Exchange) -> list[list[Any]]:
    return ((parsed(answer) or {}).get("result") or {}).get("data_array") or []


def _facts(answer: Exchange) -> dict[str, Any]:
    body = parsed(answer) or {}
    status = body.get("status") or {}
    columns = [column["name"] for column in ((body.get("manifest") or {}).get("schema") or {}).get("columns") or []]
    data = _data(answer)
    first = dict(zip(columns, data[0], strict=True)) if data else {}
    return {
        "state": status.get("state", ""),
        "error": (status.get("error") or {}).get("message", ""),
        "rows": len(data),
        "columns": columns,
        "table": [[str(value) if value is not None else None for value in line] for line in data],
        **{f"value_{name}": value for name, value in first.items()},
    }


PROGRAMS: dict[str, Program] = {"query_captured": Program(query_captured, needs_models=False)}
