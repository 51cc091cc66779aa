"""Statements of learners in their jailed process: what they reach, and what happens to those that ask for too much."""

import resource
import time
from pathlib import Path

import pytest
import yaml

from sandbox.jail.limits import GIB
from sandbox.sql.run import DEFAULT_LIMITS, SqlFailed, SqlLimits, run_select
from tests.integration.inference_tables.conftest import record, write_rows

BOMBS: list[dict[str, str]] = yaml.safe_load((Path(__file__).parent / "bombs.yaml").read_text())
PROCESS_START_S = 20.0
"""The limits count from the hand-over of the statement; a busy machine may take long to start the process."""


@pytest.fixture
def table(delta_dir: Path) -> Path:
    write_rows(delta_dir, [record(f"r{n}", t=1_790_000_000.0 + n, req="x" * 100) for n in range(200)])
    return delta_dir


def test_it_works(table: Path) -> None:
    result = run_select("ws1", "SELECT status_code, count(*) AS n FROM churn_payload GROUP BY ALL")
    assert [(column.name, column.type_text) for column in result.columns] == [("status_code", "INT"), ("n", "BIGINT")]
    assert (result.rows, result.truncated, result.notice) == ([["200", "200"]], False, "")


@pytest.mark.parametrize("bomb", BOMBS, ids=[bomb["sql"][:50] for bomb in BOMBS])
def test_a_bomb_goes_off_in_its_own_process(table: Path, bomb: dict[str, str]) -> None:
    started = time.monotonic()
    with pytest.raises(SqlFailed) as failure:
        run_select("ws1", bomb["sql"])
    assert time.monotonic() - started < DEFAULT_LIMITS.hard_timeout_s + PROCESS_START_S
    codes = {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"} if bomb["code"] == "any" else {bomb["code"]}
    assert failure.value.error_code in codes
    assert "/" not in failure.value.message
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < 2 * GIB
    assert run_select("ws1", "SELECT count(*) FROM churn_payload").rows == [["200"]]


def test_tables_of_other_workspaces_are_missing_ones(table: Path) -> None:
    def why(workspace_id: str, sql: str) -> str:
        with pytest.raises(SqlFailed) as failure:
            run_select(workspace_id, sql)
        return failure.value.message

    hidden = why("ws2", "SELECT * FROM main.default.churn_payload")
    assert hidden == why("ws2", "SELECT * FROM main.default.churn_payloae").replace("payloae", "payload")
    assert "This workspace has no inference table yet." in hidden
    assert "main.default.churn_payload" in why("ws1", "SELECT * FROM nothing")


def test_an_endpoint_that_was_never_called_has_no_rows(table: Path) -> None:
    from sandbox.inference_tables.delta import CaptureTable

    CaptureTable.open(table / "ws1/main/default/new_payload").make_durable()
    result = run_select("ws1", "SELECT request, request_time FROM new_payload")
    assert [column.type_text for column in result.columns] == ["STRING", "TIMESTAMP"]
    assert result.rows == []


def test_a_table_beyond_the_budget_is_read_in_part_and_says_so(table: Path) -> None:
    write_rows(table, [record(f"new{n}", t=1_790_001_000.0 + n) for n in range(10)], transaction=2)
    sizes = sorted(file.stat().st_size for file in table.rglob("*.parquet"))
    result = run_select(
        "ws1", "SELECT count(*), min(databricks_request_id) FROM churn_payload", limits=SqlLimits(input_bytes=sizes[0])
    )
    assert result.rows == [["10", "new0"]]
    assert result.truncated is True
    assert result.notice == "main.default.churn_payload has 210 rows, the newest 10 were read"


def test_it_refuses_a_long_statement(table: Path) -> None:
    with pytest.raises(SqlFailed, match="longer than 20,000 bytes"):
        run_select("ws1", "SELECT '" + "é" * 10_000 + "'")


def test_a_result_is_cut_at_10_000_rows_and_5_mb(table: Path) -> None:
    rows = run_select("ws1", "SELECT explode(sequence(1, 10001))")
    assert (len(rows.rows), rows.truncated) == (10_000, True)
    size = run_select("ws1", "SELECT repeat('x', 999), explode(sequence(1, 9999))")
    assert 4_900 < len(size.rows) < 5_001
    assert size.truncated is True


def test_a_folder_that_is_no_table_name_is_no_table(table: Path) -> None:
    log = table / "ws1/main/default/x y; drop/_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{}")
    assert run_select("ws1", "SELECT count(*) FROM churn_payload").rows == [["200"]]
    with pytest.raises(SqlFailed, match="TABLE_OR_VIEW_NOT_FOUND"):
        run_select("ws1", "SELECT * FROM `x y; drop`")
