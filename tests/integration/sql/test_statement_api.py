"""The SQL Statement Execution API, with the unmodified SDK as referee."""

import time
from pathlib import Path
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound, Unauthenticated
from databricks.sdk.service.sql import (
    Disposition,
    QueryFilter,
    QueryStatus,
    ServiceErrorCode,
    State,
    StatementParameterListItem,
    StatementState,
)

from sandbox.connections import redis_client
from sandbox.sql import kept
from sandbox.sql.live_statements import MAX_WAITING_OF_WORKSPACE
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
    first = sql.execute_statement(statement=f"SELECT count(*) FROM {TABLE}", warehouse_id="sandbox")
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
    assert "parameter with name `nothing` cannot be resolved" in (answer.status.error.message or "")
    assert answer.result is None


def test_it_refuses_what_it_does_not_offer(client: WorkspaceClient) -> None:
    sql = client.statement_execution
    with pytest.raises(InvalidParameterValue, match="EXTERNAL_LINKS"):
        sql.execute_statement(statement="SELECT 1", warehouse_id="sandbox", disposition=Disposition.EXTERNAL_LINKS)
    with pytest.raises(InvalidParameterValue, match="between 5s and 50s"):
        sql.execute_statement(statement="SELECT 1", warehouse_id="sandbox", wait_timeout="3s")
    with pytest.raises(NotFound, match="SQL warehouse w does not exist"):
        sql.execute_statement(statement="SELECT 1", warehouse_id="w")
    with pytest.raises(InvalidParameterValue, match="warehouse_id"):
        sql.execute_statement(statement="SELECT 1", warehouse_id=None)  # type: ignore[arg-type]


def ended(sql: Any, statement_id: str) -> Any:
    """The statement once it has ended."""
    deadline = time.monotonic() + 60
    while (found := sql.get_statement(statement_id)).status.state.value in {"PENDING", "RUNNING"}:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_it_does_not_wait_when_asked_not_to(client: WorkspaceClient) -> None:
    sql = client.statement_execution
    asked = sql.execute_statement(statement="SELECT id FROM range(4500)", warehouse_id="sandbox", wait_timeout="0s")
    assert asked.statement_id
    assert asked.status is not None
    assert asked.status.state in {StatementState.PENDING, StatementState.RUNNING, StatementState.SUCCEEDED}
    found = ended(sql, asked.statement_id)
    assert [(c.row_offset, c.row_count) for c in found.manifest.chunks] == [(0, 2000), (2000, 2000), (4000, 500)]
    values = [row[0] for row in found.result.data_array]
    chunk = found.result
    while chunk.next_chunk_index is not None:
        assert chunk.next_chunk_internal_link.endswith(f"/result/chunks/{chunk.next_chunk_index}")
        chunk = sql.get_statement_result_chunk_n(asked.statement_id, chunk.next_chunk_index)
        values += [row[0] for row in chunk.data_array]
    assert values == [str(n) for n in range(4500)]


ENDLESS = f"SELECT count(*) FROM {TABLE} a, range(1000000) b, range(1000000) c"


def test_a_statement_can_be_canceled(client: WorkspaceClient) -> None:
    sql = client.statement_execution
    asked = sql.execute_statement(statement=ENDLESS, warehouse_id="sandbox", wait_timeout="0s")
    assert asked.statement_id
    sql.cancel_execution(asked.statement_id)
    assert ended(sql, asked.statement_id).status.state == StatementState.CANCELED
    sql.cancel_execution(asked.statement_id)
    with pytest.raises(NotFound):
        sql.cancel_execution("no-such-statement")


def test_one_workspace_leaves_room_for_the_others(client: WorkspaceClient) -> None:
    sql = client.statement_execution
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b"
    ask = {"statement": endless, "warehouse_id": "sandbox", "wait_timeout": "0s"}
    started = [sql.execute_statement(**ask).statement_id or "" for _ in range(MAX_WAITING_OF_WORKSPACE)]
    headers = {"Authorization": f"Bearer {client.config.token}"}
    refused = requests.post(f"{client.config.host}/api/2.0/sql/statements", json=ask, headers=headers, timeout=60)
    assert (refused.status_code, refused.json().get("error_code")) == (429, "REQUEST_LIMIT_EXCEEDED"), refused.text
    for statement_id in started:
        sql.cancel_execution(statement_id)
    assert {ended(sql, statement_id).status.state for statement_id in started} == {StatementState.CANCELED}
    assert sql.execute_statement("SELECT 1", "sandbox").status.state == StatementState.SUCCEEDED


def test_a_statement_whose_process_died_has_failed(client: WorkspaceClient, workspace: Any, learner: Any) -> None:
    kept.save(workspace.id, "gone", {"user_id": learner.pk, "status": {"state": "RUNNING"}})
    found = client.statement_execution.get_statement("gone").status
    assert found is not None
    assert found.state == StatementState.FAILED
    assert found.error is not None
    assert "The process that ran the statement ended" in (found.error.message or "")
    kept.beat(["alive"])
    kept.save(workspace.id, "alive", {"user_id": learner.pk, "status": {"state": "RUNNING"}})
    alive = client.statement_execution.get_statement("alive").status
    assert alive is not None
    assert alive.state == StatementState.RUNNING


def test_the_history_says_who_ran_what(client: WorkspaceClient, workspace: Any) -> None:
    run = client.statement_execution.execute_statement
    for statement in ("SELECT 1", "SELECT nothing FROM range(2)", "CREATE TABLE made AS SELECT id FROM range(3)"):
        run(statement=statement, warehouse_id="sandbox")
    found = client.query_history.list(max_results=2)
    assert found.has_next_page is True
    second = client.query_history.list(max_results=2, page_token=found.next_page_token)
    shown = [(q.query_text, q.status.value, q.rows_produced, q.user_name) for q in [*found.res, *second.res]]  # type: ignore[misc,union-attr]
    assert shown == [
        ("CREATE TABLE made AS SELECT id FROM range(3)", "FINISHED", 1, "learner"),
        ("SELECT nothing FROM range(2)", "FAILED", 0, "learner"),
        ("SELECT 1", "FINISHED", 1, "learner"),
    ]
    failed = client.query_history.list(filter_by=QueryFilter(statuses=[QueryStatus.FAILED]))
    assert [q.query_text for q in failed.res or []] == ["SELECT nothing FROM range(2)"]
    history = f"sql:history:{workspace.id}"
    assert 0 < redis_client().ttl(history) <= kept.HISTORY_KEPT_S
    with pytest.raises(InvalidParameterValue, match="milliseconds since 1970, not 'soon'"):
        client.api_client.do(
            "GET", "/api/2.0/sql/history/queries", query={"filter_by.query_start_time_range.start_time_ms": "soon"}
        )


def test_the_one_warehouse(client: WorkspaceClient) -> None:
    assert [(w.id, w.name, w.state) for w in client.warehouses.list()] == [("sandbox", "Starter warehouse", State.RUNNING)]
    client.warehouses.stop("sandbox")
    assert client.warehouses.get("sandbox").state == State.STOPPED
    client.statement_execution.execute_statement(statement="SELECT 1", warehouse_id="sandbox")
    assert client.warehouses.get("sandbox").state == State.RUNNING
    assert client.warehouses.get_workspace_warehouse_config().enable_serverless_compute is True
    with pytest.raises(NotFound):
        client.warehouses.get("another")


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
    assert "`main`.`default`.`churn_payload` cannot be found" in (hidden.error.message or "")
    assert (hidden.error.message or "").replace("churn_payload", "nothing") == absent.error.message


def test_a_bad_token_and_bad_json(client: WorkspaceClient, live_server: Any) -> None:
    with pytest.raises(Unauthenticated):
        WorkspaceClient(host=live_server.url, token="dapi-wrong").statement_execution.get_statement("x")
    headers = {"Authorization": f"Bearer {client.config.token}", "Content-Type": "application/json"}
    answer = requests.post(f"{live_server.url}/api/2.0/sql/statements", data=b"{not json", headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
