"""Statements of learners in their jailed processes: what they reach, and what happens to those that ask for too much."""

import resource
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.jail.limits import GIB
from sandbox.sql.limits import SqlCanceled, SqlFailed, SqlLimits, SqlResult
from sandbox.sql.run import Stop, run_statement
from sandbox.workspaces.members import Caller
from tests.integration.inference_tables.conftest import record, write_rows

pytestmark = pytest.mark.django_db(transaction=True)
BOMBS: list[dict[str, str]] = yaml.safe_load((Path(__file__).parent / "bombs.yaml").read_text())
SHORT = SqlLimits(soft_timeout_s=0.7, hard_timeout_s=2.0)
HANG_S = 120.0


@pytest.fixture
def caller(workspace: Any, learner: Any, delta_dir: Path) -> Caller:
    """Of a workspace with 200 captured requests."""
    rows = [record(f"r{n}", ws=workspace.id, t=1_790_000_000.0 + n, req="x" * 100) for n in range(200)]
    write_rows(delta_dir, rows)
    return Caller(workspace, learner)


def why(caller: Caller, sql: str) -> str:
    with pytest.raises(SqlFailed) as failure:
        run_statement(caller, sql)
    return failure.value.message


def rows(result: SqlResult) -> list[list[str | None]]:
    return result.rows


def test_it_works(caller: Caller) -> None:
    result = run_statement(caller, "SELECT status_code, count(*) AS n FROM churn_payload GROUP BY ALL")
    assert [(column.name, column.type_text) for column in result.columns] == [("status_code", "INT"), ("n", "BIGINT")]
    assert (result.rows, result.truncated) == ([["200", "200"]], False)


def test_bombs_go_off_in_their_own_processes(caller: Caller) -> None:
    for bomb in BOMBS:
        with pytest.raises(SqlFailed) as failure:
            run_statement(caller, bomb["sql"], limits=SHORT)
        codes = {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"} if bomb["code"] == "any" else {bomb["code"], "DEADLINE_EXCEEDED"}
        assert failure.value.error_code in codes, bomb
        assert "/" not in failure.value.message, bomb
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < 2 * GIB
    assert rows(run_statement(caller, "SELECT count(*) FROM churn_payload")) == [["200"]]


def test_canceling_kills_the_process(caller: Caller) -> None:
    stop = Stop()
    running = threading.Event()
    ended: list[str] = []

    def run() -> None:
        try:
            run_statement(caller, next(b["sql"] for b in BOMBS if "churn_payload a" in b["sql"]), stop=stop, started=running.set)
        except SqlCanceled:
            ended.append("canceled")
        except SqlFailed as failure:
            ended.append(failure.message)

    thread = threading.Thread(target=run)
    thread.start()
    assert running.wait(HANG_S)
    stop.now()
    thread.join(HANG_S)
    assert ended == ["canceled"]  # a statement that went on would have ended by its time limit


def test_tables_of_other_workspaces_are_missing_ones(caller: Caller, stranger: Any) -> None:
    from sandbox.workspaces.operations import open_workspace

    other = Caller(open_workspace(stranger), stranger)
    hidden = why(other, "SELECT * FROM main.default.churn_payload")
    assert hidden == why(other, "SELECT * FROM main.default.churn_payloae").replace("payloae", "payload")
    assert "TABLE_OR_VIEW_NOT_FOUND" in hidden
    assert "main.default.churn_payload" in why(caller, "SELECT * FROM nothing")


def test_an_endpoint_that_was_never_called_has_no_rows(caller: Caller, delta_dir: Path) -> None:
    from sandbox.inference_tables.delta import CaptureTable

    CaptureTable.open(delta_dir / caller.workspace.id / "main/default/new_payload").make_durable()
    result = run_statement(caller, "SELECT request, request_time FROM new_payload")
    assert [column.type_text for column in result.columns] == ["STRING", "TIMESTAMP"]
    assert result.rows == []


def test_it_refuses_a_long_statement(caller: Caller) -> None:
    assert "longer than 20,000 bytes" in why(caller, "SELECT '" + "é" * 10_000 + "'")


def test_a_result_is_cut_at_10_000_rows_and_5_mb(caller: Caller) -> None:
    many = run_statement(caller, "SELECT explode(sequence(1, 10001))")
    assert (len(many.rows), many.truncated) == (10_000, True)
    large = run_statement(caller, "SELECT repeat('x', 999), explode(sequence(1, 9999))")
    assert 4_900 < len(large.rows) < 5_001
    assert large.truncated is True


def test_a_folder_that_is_no_table_name_is_no_table(caller: Caller, delta_dir: Path) -> None:
    log = delta_dir / caller.workspace.id / "main/default/x y; drop/_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{}")
    assert rows(run_statement(caller, "SELECT count(*) FROM churn_payload")) == [["200"]]
    assert "TABLE_OR_VIEW_NOT_FOUND" in why(caller, "SELECT * FROM `x y; drop`")


def test_rows_of_an_inference_table_cannot_be_changed(caller: Caller) -> None:
    for sql in (
        "DELETE FROM churn_payload",
        "INSERT INTO churn_payload SELECT * FROM churn_payload",
        "TRUNCATE TABLE churn_payload",
    ):
        assert "is an inference table" in why(caller, sql), sql
    assert rows(run_statement(caller, "SELECT count(*) FROM churn_payload")) == [["200"]]
