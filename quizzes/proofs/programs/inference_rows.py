"""Programs that call an endpoint and then look into its inference table with SQL."""

from collections.abc import Sequence
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import answer_facts, churn_config, customer, parsed
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

WAREHOUSE = "sandbox"
"""The one warehouse of every workspace."""


def _select(client: ProofClient, statement: str) -> tuple[Exchange, list[list[Any]]]:
    """Run one statement and wait for it; the exchange and the rows."""
    body = {"statement": statement, "warehouse_id": WAREHOUSE, "wait_timeout": "30s"}
    exchange = client.http("POST", "/api/2.0/sql/statements", body)
    answer = parsed(exchange) or {}
    return exchange, (answer.get("result") or {}).get("data_array") or []


def select_from_table(client: ProofClient, columns: str, rows: Sequence[int] = (1, 1, 1), where: str = "") -> Observation:
    """Call an endpoint once for each number in `rows` (that many customers in the body), then select `columns`.

    Facts: state of the statement, count of rows, first value of the first row, the sentence of an error.
    """
    name = client.endpoint_name()
    table = f"`main`.`default`.`{name}_payload`"
    client.deploy(name, churn_config({"1": 100}))
    for number, count in enumerate(rows):
        body = {"dataframe_records": [customer(client, position) for position in range(count)]}
        client.invoke(name, {**body, "client_request_id": f"order-{number}"})
    client.wait_for_rows(name, len(rows))
    condition = f" WHERE {where}" if where else ""
    asked, found = _select(client, f"SELECT {columns} FROM {table}{condition}")  # noqa: S608 - a bank file's own words
    status = (parsed(asked) or {}).get("status") or {}
    facts = {
        **answer_facts(asked),
        "state": str(status.get("state", "")),
        "rows": len(found),
        "first": str(found[0][0]) if found and found[0] else "",
        "sentence": str((status.get("error") or {}).get("message", "")),
    }
    return Observation(facts, client.exchanges, [{"row": str(line)[:200]} for line in found])


PROGRAMS: dict[str, Program] = {"select_from_table": Program(select_from_table, needs_models=True)}
