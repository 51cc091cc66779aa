"""The SQL Statement Execution API, with the unmodified SDK as referee."""

from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound, Unauthenticated
from databricks.sdk.service.sql import Disposition, ServiceErrorCode, StatementParameterListItem, StatementState

from tests.integration.inference_tables.conftest import record, write_rows

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "main.default.churn_payload"


def client_of(person: Any, live_server: Any) -> WorkspaceClient:
    from sandbox.workspaces.operations import issue_token, open_workspace

    _, plain = issue_token(open_workspace(person), person)
    return WorkspaceClient(host=live_server.url, token=plain)


@pytest.fixture
def client(workspace: Any, learner: Any, live_server: Any, delta_dir: Path) -> WorkspaceClient:
    records = [record(f"r{n}", ws=workspace.id, t=1_790_000_000.0 + n, status=400 if n % 5 == 0 else 200) for n in range(10)]
    write_rows(delta_dir, records)
    return client_of(learner, live_server)


def test_it_works(client: WorkspaceClient) -> None:
    answer = client.statement_execution.execute_statement(
        statement=f"SELECT status_code, count(*) AS n, avg(execution_duration_ms) AS ms FROM {TABLE} GROUP BY ALL ORDER BY n",
        warehouse_id="sandbox",
        wait_timeout="30s",
    )
    assert answer.status is not None
    assert answer.status.state == StatementState.SUCCEEDED
    assert answer.result is not None
    assert answer.result.data_array == [["400", "2", "4.0"], ["200", "8", "4.0"]]
    assert answer.manifest is not None
    assert answer.manifest.schema is not None
    columns = answer.manifest.schema.columns or []
    assert [(c.name, c.position, c.type_name.value if c.type_name else "", c.type_text) for c in columns] == [
        ("status_code", 0, "INT", "INT"),
        ("n", 1, "LONG", "BIGINT"),
        ("ms", 2, "DOUBLE", "DOUBLE"),
    ]
    assert (answer.manifest.total_row_count, answer.manifest.truncated) == (2, False)


def test_the_result_can_be_fetched_again(client: WorkspaceClient) -> None:
    sql = client.statement_execution
    first = sql.execute_statement(statement=f"SELECT count(*) FROM {TABLE}", warehouse_id="any")
    assert first.statement_id
    again = sql.get_statement(first.statement_id)
    assert again.as_dict() == first.as_dict()
    assert sql.get_statement_result_chunk_n(first.statement_id, 0).data_array == [["10"]]
    with pytest.raises(NotFound):
        sql.get_statement_result_chunk_n(first.statement_id, 1)


@pytest.mark.parametrize(
    "name", [TABLE, "`main`.`default`.`churn_payload`", "default.churn_payload", "churn_payload", "MAIN.Default.Churn_Payload"]
)
def test_names_of_one_to_three_levels(client: WorkspaceClient, name: str) -> None:
    answer = client.statement_execution.execute_statement(statement=f"SELECT count(*) FROM {name}", warehouse_id="sandbox")
    assert answer.result is not None
    assert answer.result.data_array == [["10"]]


def test_parameters_and_limits(client: WorkspaceClient) -> None:
    answer = client.statement_execution.execute_statement(
        statement="SELECT databricks_request_id FROM churn_payload "
        "WHERE status_code = :status AND request_time >= :since ORDER BY 1",
        warehouse_id="sandbox",
        catalog="main",
        schema="default",
        row_limit=3,
        parameters=[
            StatementParameterListItem(name="status", value="200", type="INT"),
            StatementParameterListItem(name="since", value="2026-09-21 14:13:22", type="TIMESTAMP"),
        ],
    )
    assert answer.result is not None
    assert answer.manifest is not None
    assert answer.result.data_array == [["r2"], ["r3"], ["r4"]]
    assert answer.manifest.truncated is True


def test_a_statement_that_fails_is_an_answer(client: WorkspaceClient) -> None:
    answer = client.statement_execution.execute_statement(statement=f"SELECT nothing FROM {TABLE}", warehouse_id="sandbox")
    assert answer.status is not None
    assert answer.status.state == StatementState.FAILED
    assert answer.status.error is not None
    assert answer.status.error.error_code == ServiceErrorCode.BAD_REQUEST
    assert 'column "nothing" not found' in (answer.status.error.message or "")
    assert answer.result is None


def test_it_refuses_what_it_does_not_offer(client: WorkspaceClient) -> None:
    sql = client.statement_execution
    with pytest.raises(InvalidParameterValue, match="EXTERNAL_LINKS"):
        sql.execute_statement(statement="SELECT 1", warehouse_id="w", disposition=Disposition.EXTERNAL_LINKS)
    with pytest.raises(InvalidParameterValue, match="between 5s and 50s"):
        sql.execute_statement(statement="SELECT 1", warehouse_id="w", wait_timeout="3s")
    with pytest.raises(InvalidParameterValue, match="warehouse_id"):
        sql.execute_statement(statement="SELECT 1", warehouse_id=None)  # type: ignore[arg-type]


def test_a_stranger_sees_neither_tables_nor_results(client: WorkspaceClient, stranger: Any, live_server: Any) -> None:
    mine = client.statement_execution.execute_statement(statement=f"SELECT count(*) FROM {TABLE}", warehouse_id="sandbox")
    other = client_of(stranger, live_server).statement_execution
    assert mine.statement_id
    with pytest.raises(NotFound) as foreign:
        other.get_statement(mine.statement_id)
    with pytest.raises(NotFound) as missing:
        other.get_statement("no-such-statement")
    assert str(foreign.value).replace(mine.statement_id, "X") == str(missing.value).replace("no-such-statement", "X")
    hidden = other.execute_statement(statement=f"SELECT * FROM {TABLE}", warehouse_id="sandbox").status
    absent = other.execute_statement(statement="SELECT * FROM main.default.nothing", warehouse_id="sandbox").status
    assert hidden is not None
    assert hidden.error is not None
    assert absent is not None
    assert absent.error is not None
    assert (hidden.error.message or "").replace(TABLE, "X") == (absent.error.message or "").replace("main.default.nothing", "X")


def test_a_bad_token_and_bad_json(client: WorkspaceClient, live_server: Any) -> None:
    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=live_server.url, token="dapi-wrong").statement_execution.get_statement("x")
    headers = {"Authorization": f"Bearer {client.config.token}", "Content-Type": "application/json"}
    answer = requests.post(f"{live_server.url}/api/2.0/sql/statements", data=b"{not json", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
