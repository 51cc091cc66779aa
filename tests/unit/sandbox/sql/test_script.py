"""Statements of every kind, one after the other in one workspace; and who may run them, and what two writers do to each other."""

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.sql.limits import SqlFailed, SqlResult
from sandbox.sql.run import run_statement
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "script.yaml").read_text())


@pytest.fixture
def caller(workspace: Any, learner: Any, settings: Any, tmp_path: Path) -> Caller:
    settings.DELTA_DIR, settings.VOLUMES_DIR = tmp_path / "delta", tmp_path / "volumes"
    return Caller(workspace, learner)


def outcome(caller: Caller, sql: str) -> SqlResult | str:
    try:
        return run_statement(caller, sql)
    except SqlFailed as failure:
        return failure.message


def test_a_script(caller: Caller) -> None:
    for case in SCRIPT:
        found = outcome(caller, case["sql"])
        if "error" in case:
            assert isinstance(found, str), case
            assert case["error"] in found, (case, found)
        else:
            assert isinstance(found, SqlResult), (case, found)
            assert "any" in case or found.rows == case["rows"], (case, found.rows)


def test_a_table_was_modified_when_its_rows_were(caller: Caller) -> None:
    run_statement(caller, "CREATE TABLE modified (id INT)")
    run_statement(caller, "INSERT INTO modified VALUES (1)")
    written_at = run_statement(caller, "DESCRIBE HISTORY modified").rows[0][1]
    assert run_statement(caller, "DESCRIBE DETAIL modified").rows[0][6] == written_at


@pytest.fixture
def bob(caller: Caller, stranger: Any) -> Caller:
    """A member without any grant of his own."""
    members.add_member(caller.workspace, stranger.email)
    return Caller(caller.workspace, stranger)


def test_privileges_decide(caller: Caller, bob: Caller) -> None:
    for sql in (
        "CREATE TABLE secret AS SELECT id, id * 10 AS v FROM range(3)",
        "CREATE VIEW shown AS SELECT v FROM secret WHERE id > 0",
        "CREATE FUNCTION most() RETURNS BIGINT RETURN (SELECT max(v) FROM secret)",
    ):
        run_statement(caller, sql)
    for sql in (
        "SELECT * FROM secret",
        "SELECT * FROM shown",
        "SELECT most()",
        "DESCRIBE HISTORY secret",
        "SHOW GRANTS ON TABLE secret",
    ):
        assert "does not have" in str(outcome(bob, sql)), sql
    for sql in (
        "INSERT INTO secret VALUES (1, 1)",
        "DELETE FROM secret",
        "DROP TABLE secret",
        "ALTER TABLE secret ADD COLUMN x INT",
    ):
        assert "does not have" in str(outcome(bob, sql)), sql
    run_statement(caller, "GRANT SELECT ON TABLE shown TO `eve@example.org`")
    run_statement(caller, "GRANT EXECUTE ON FUNCTION most TO `eve@example.org`")
    assert run_statement(bob, "SELECT * FROM shown ORDER BY v").rows == [["10"], ["20"]]
    assert run_statement(bob, "SELECT most()").rows == [["20"]]
    assert "does not have SELECT" in str(outcome(bob, "SELECT * FROM secret"))
    run_statement(bob, "CREATE TABLE mine AS SELECT v FROM shown")
    assert run_statement(bob, "SELECT count(*) FROM mine").rows == [["2"]]


def test_a_view_keeps_to_what_it_read_when_it_was_made(caller: Caller, bob: Caller) -> None:
    """The jailed process says what a view reads; only what was noted at its creation is believed."""
    from sandbox.sql.dialect_keys import key
    from sandbox.sql.objects import Objects

    run_statement(caller, "CREATE TABLE secret AS SELECT 1 AS v")
    run_statement(caller, "CREATE TABLE open AS SELECT 2 AS v")
    run_statement(caller, "CREATE VIEW shown AS SELECT v FROM open")
    shown = "main.default.shown"

    def reached() -> list[str]:
        objects = Objects(bob)
        objects.add(["table", shown, None, ""])
        for table in ("open", "secret"):
            objects.add(["table", f"main.default.{table}", None, shown])
        return [objects.found[key("table", f"main.default.{table}", None, shown)]["kind"] for table in ("open", "secret")]

    assert reached() == ["error", "error"]  # she may not read the view itself
    run_statement(caller, "GRANT SELECT ON TABLE shown TO `eve@example.org`")
    assert reached() == ["table", "error"]


def test_nobody_reads_through_the_view_of_another(caller: Caller, bob: Caller) -> None:
    """A function under the view's name, a table property that looks like a note, and a view that is there already."""
    from sandbox.catalog import functions, securables
    from sandbox.catalog.models import SecurableType

    run_statement(caller, "CREATE TABLE secret AS SELECT id AS v FROM range(3)")
    run_statement(caller, "CREATE VIEW shown AS SELECT v FROM secret WHERE v > 1")
    run_statement(caller, "GRANT SELECT ON TABLE shown TO `eve@example.org`")
    reads_it = functions.Definition("SQL", "(SELECT count(*) FROM main.default.secret)", (), "bigint")
    functions.create_function(bob, "main.default.shown", reads_it)
    refused = "was made without reading main.default.secret"
    assert refused in str(outcome(bob, "SELECT shown()"))
    assert refused in str(outcome(bob, "SELECT shown() FROM shown"))
    functions.create_function(bob, "main.default.mine", reads_it)
    run_statement(bob, "CREATE TABLE mine (v INT) TBLPROPERTIES ('sql.reads' = 'main.default.secret')")
    assert refused in str(outcome(bob, "SELECT mine()"))
    run_statement(bob, "CREATE VIEW IF NOT EXISTS shown AS SELECT 1 AS v")
    view = securables.find(caller.workspace, SecurableType.TABLE, "main.default.shown")
    assert view.properties["sql.reads"] == ["main.default.secret"]
    assert run_statement(bob, "SELECT v FROM shown").rows == [["2"]]


def test_a_view_reads_with_the_rights_that_its_owner_has_now(caller: Caller, bob: Caller) -> None:
    run_statement(bob, "CREATE TABLE pay AS SELECT 1 AS v")
    run_statement(bob, "CREATE VIEW kept AS SELECT v FROM pay")
    assert run_statement(bob, "SELECT v FROM kept").rows == [["1"]]
    run_statement(bob, "DROP TABLE pay")
    run_statement(caller, "CREATE TABLE pay AS SELECT 5000 AS v")  # another table, of somebody else
    assert "'main.default.kept' reads with the rights of its owner" in str(outcome(bob, "SELECT v FROM kept"))
    run_statement(caller, "GRANT SELECT ON TABLE pay TO `eve@example.org`")
    assert run_statement(bob, "SELECT v FROM kept").rows == [["5000"]]


def test_lineage_is_of_what_was_read(caller: Caller) -> None:
    from sandbox.catalog.models import LineageEdge
    from sandbox.sql.objects import Objects

    run_statement(caller, "CREATE TABLE a AS SELECT 1 AS v")
    run_statement(caller, "CREATE TABLE b AS SELECT v FROM a")
    run_statement(caller, "INSERT INTO b SELECT a.v FROM a JOIN b ON a.v = b.v")
    edges = LineageEdge.objects.values_list("source_name", "target_name")
    assert list(edges) == [("main.default.a", "main.default.b")]
    objects = Objects(caller)
    for name in ("main.default.a", "main.default.not_there"):
        objects.add(["table", name, None, ""])
    assert objects.read == {"main.default.a"}  # a jailed process may say that it read something else


def test_rows_count_for_the_quota(caller: Caller, settings: Any) -> None:
    from sandbox.files import quota

    run_statement(caller, "CREATE TABLE numbers AS SELECT id FROM range(1000)")
    quota.forget()
    kept = quota.measure(caller.workspace.id)
    assert kept > 1000
    settings.FILES_QUOTA_BYTES = kept + 4000
    assert "another 16384 do not fit" in str(outcome(caller, "INSERT INTO numbers SELECT id FROM range(1000)"))
    assert run_statement(caller, "SELECT count(*) FROM numbers").rows == [["1000"]]
    run_statement(caller, "DROP TABLE numbers")
    quota.forget()


def test_two_writers_lose_nothing(caller: Caller) -> None:
    from django.db import connections

    run_statement(caller, "CREATE TABLE counts AS SELECT 0 AS n")
    problems: list[str] = []

    def write(sql: str) -> None:
        try:
            for _ in range(4):
                run_statement(caller, sql)
        except SqlFailed as failure:
            problems.append(failure.message)
        finally:
            connections.close_all()

    writers = [
        threading.Thread(target=write, args=(sql,))
        for sql in ("UPDATE counts SET n = n + 1 WHERE n < 1000", "INSERT INTO counts VALUES (1000)")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert problems == []
    rows = run_statement(caller, "SELECT n, count(*) FROM counts GROUP BY n ORDER BY n").rows
    assert rows == [["4", "1"], ["1000", "4"]]
