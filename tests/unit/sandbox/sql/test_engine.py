"""Databricks SQL over inference tables: what works gives the right values, what does not is refused with a reason."""

import io
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import sqlglot
import yaml
from sqlglot import exp

from sandbox.catalog.column_types import type_text_of
from sandbox.inference_tables import delta
from sandbox.inference_tables.rows import arrow_table, row_of
from sandbox.sql import job
from sandbox.sql.dialect import allowed
from sandbox.sql.dialect_keys import key
from sandbox.sql.engine import lock_down, open_database
from sandbox.sql.job import SqlRequest
from sandbox.sql.refusals import friendly

HERE = Path(__file__).parent
SUPPORTED: list[dict[str, Any]] = yaml.safe_load((HERE / "supported.yaml").read_text())
REFUSED: list[dict[str, str]] = yaml.safe_load((HERE / "refused.yaml").read_text())


def parquet(table: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def six_rows() -> list[bytes]:
    """r0 to r5, a minute apart from 2026-09-21 14:13:20 on; r0 and r3 failed; e0 and e1 take turns."""
    rows = [
        row_of(
            {
                "id": f"r{n}",
                "client": None,
                "t": 1_790_000_000 + 60 * n,
                "status": 400 if n % 3 == 0 else 200,
                "ms": n,
                "req": f'{{"dataframe_records": [{{"tenure": {n}, "name": "n{n}"}}]}}',
                "resp": f'{{"predictions": [{n % 2}]}}',
                "entity": f"e{n % 2}",
                "who": "me",
            }
        )
        for n in range(6)
    ]
    return [parquet(arrow_table(rows[:4])), parquet(arrow_table(rows[4:]))]


MISSING = {
    "table": {"message": "[TABLE_OR_VIEW_NOT_FOUND]", "error_code": "BAD_REQUEST"},
    "target": {"message": "[TABLE_OR_VIEW_NOT_FOUND]", "error_code": "BAD_REQUEST"},
    "changes": {"message": "[TABLE_OR_VIEW_NOT_FOUND]", "error_code": "BAD_REQUEST"},
    "function": {"message": "[UNRESOLVED_ROUTINE]", "error_code": "BAD_REQUEST"},
}


def table(name: str, files: list[bytes], maps: list[bytes], schema: Any = delta.SCHEMA) -> dict[str, dict[str, Any]]:
    """An object of a statement, and its files after those that are there."""
    positions = list(range(len(maps), len(maps) + len(files)))
    maps += files
    columns = [[field.name, type_text_of(field.type)] for field in schema]
    described = {"kind": "table", "files": positions, "schema": schema.serialize().to_pybytes().hex(), "columns": columns}
    return {key("table", name): described}


def run(sql: str, *, max_rows: int = 10_000, max_bytes: int = 5_000_000, parameters: Any = ()) -> dict[str, Any]:
    maps: list[bytes] = []
    objects = table("main.default.churn_payload", six_rows(), maps) | table("main.default.other-table_payload", [], maps)
    request = SqlRequest(
        sql=sql,
        parameters=list(parameters),
        catalog="main",
        schema="default",
        user="ada@example.org",
        objects=objects,
        max_rows=max_rows,
        max_bytes=max_bytes,
        soft_timeout_s=5.0,
        arrow=False,
    )
    answer, _ = job.answer_of(request, maps, job.Site())
    if "needs" in answer:  # the site finds nothing else
        request["objects"] = objects | {key(*need): dict(MISSING[need[0]], kind="error") for need in answer["needs"]}
        answer, _ = job.answer_of(request, maps, job.Site())
    return answer


@pytest.mark.parametrize("case", SUPPORTED, ids=[case["sql"][:60] for case in SUPPORTED])
def test_it_works(case: dict[str, Any]) -> None:
    answer = run(case["sql"])
    assert "error" not in answer, answer["error"]
    assert answer["rows"] == case["rows"]
    assert answer["truncated"] is False
    if "names" in case:
        assert [column["name"] for column in answer["columns"]] == case["names"]
    if "types" in case:
        assert [column["type_text"] for column in answer["columns"]] == case["types"]


def test_every_function_on_the_list_was_tried() -> None:
    typed, untyped = set[str](), set[str]()
    for case in SUPPORTED:
        for node in sqlglot.parse_one(case["sql"], read="databricks").find_all(exp.Func):
            if isinstance(node, exp.Anonymous):
                untyped.add(node.name.lower())
            else:
                typed.add(type(node).__name__)
    assert typed == allowed.TYPED
    assert untyped == allowed.UNTYPED


@pytest.mark.parametrize("case", REFUSED, ids=[case["sql"][:60] for case in REFUSED])
def test_it_refuses(case: dict[str, str]) -> None:
    answer = run(case["sql"])
    assert case["why"] in answer["error"]
    assert answer["error_code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select " + "(" * 3000 + "1" + ")" * 3000, "nested too deeply"),
        ("select " + "1+" * 6000 + "1", "nested too deeply"),
        ("select " + "not " * 4000 + "true", "nested too deeply"),
    ],
)
def test_it_refuses_what_is_too_deep(sql: str, why: str) -> None:
    assert why in run(sql)["error"]


def test_results_are_cut_at_rows_and_bytes() -> None:
    answer = run("SELECT x FROM (SELECT explode(sequence(1, 5000)) AS x) ORDER BY x", max_rows=1200)
    assert answer["truncated"] is True
    assert [row[0] for row in answer["rows"]] == [str(n) for n in range(1, 1201)]
    exact = run("SELECT explode(sequence(1, 1200))", max_rows=1200)
    assert (len(exact["rows"]), exact["truncated"]) == (1200, False)
    by_bytes = run("SELECT repeat('x', 1000) FROM (SELECT explode(sequence(1, 100)))", max_bytes=10_500)
    assert (len(by_bytes["rows"]), by_bytes["truncated"]) == (10, True)


def test_parameters() -> None:
    given = [
        {"name": "status", "value": "400", "type": "INT"},
        {"name": "None", "value": None},
        {"name": "q", "value": "' OR 1=1 --"},
    ]
    answer = run("SELECT count(*), :none, :q FROM churn_payload WHERE status_code = :Status", parameters=given)
    assert answer["rows"] == [["2", None, "' OR 1=1 --"]]
    assert "no value for the parameter :other" in run("SELECT :other", parameters=given)["error"]
    odd = [{"name": "q", "value": "1", "type": "NOT A TYPE"}]
    assert "unknown type" in run("SELECT :q", parameters=odd)["error"]


@pytest.mark.parametrize(
    ("kind", "message", "code", "sentence"),
    [
        ("OutOfMemoryException", "Out of Memory Error: failed to allocate", "RESOURCE_EXHAUSTED", "needs more memory"),
        ("InterruptException", "INTERRUPT Error: Interrupted!", "DEADLINE_EXCEEDED", "took too long"),
        (
            "IOException",
            'IO Error: Cannot open file "/srv/site/var/delta/x.parquet": no',
            "BAD_REQUEST",
            'Cannot open file "…": no',
        ),
        (
            "BinderException",
            'Binder Error: Column "t0.x" is wrong\n\nLINE 1: SELECT t0.x\n  ^',
            "BAD_REQUEST",
            'Column "the table.x" is wrong',
        ),
        ("X", "Invalid Input Error: pg_json_text() failed", "BAD_REQUEST", "get_json_object() failed"),
    ],
)
def test_errors_of_the_engine_show_no_machinery(kind: str, message: str, code: str, sentence: str) -> None:
    error_code, text = friendly(kind, message)
    assert error_code == code
    assert sentence in text
    assert "/" not in text


@pytest.mark.parametrize("sql", yaml.safe_load((HERE / "locked_out.yaml").read_text()))
def test_the_engine_itself_is_locked(sql: str) -> None:
    python_variable = parquet(delta.SCHEMA.empty_table())
    with open_database() as connection:
        lock_down(connection)
        with pytest.raises(duckdb.Error):
            connection.execute(sql)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert python_variable
