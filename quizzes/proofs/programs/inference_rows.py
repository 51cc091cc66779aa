"""Programs that call an endpoint and then look into its inference table with SQL."""

import time
from collections.abc import Sequence
from typing import Any

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, churn_config, customer, parsed
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

ROWS_TIMEOUT_S = 20
WAREHOUSE = "proof"
"""Any id: the sandbox runs statements without a warehouse."""


def _select(client: ProofClient, statement: str) -> tuple[Exchange, list[list[Any]]]:
    """Run one statement and wait for it; the exchange and the rows."""
    body = {"statement": statement, "warehouse_id": WAREHOUSE, "wait_timeout": "30s"}
    exchange = client.http("POST", "/api/2.0/sql/statements", body)
    answer = parsed(exchange) or {}
    return exchange, (answer.get("result") or {}).get("data_array") or []


def _wait_for_rows(client: ProofClient, table: str, wanted: int) -> None:
    """Poll until the table has that many rows."""
    deadline = time.monotonic() + ROWS_TIMEOUT_S
    with client.unrecorded():
        while time.monotonic() < deadline:
            _, rows = _select(client, f"SELECT count(*) FROM {table}")  # noqa: S608 - the name is ours
            if rows and int(rows[0][0]) >= wanted:
                return
            time.sleep(0.3)
    raise ProofCouldNotRun(f"{table} had fewer than {wanted} rows after {ROWS_TIMEOUT_S} s.")


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
    _wait_for_rows(client, table, len(rows))
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
