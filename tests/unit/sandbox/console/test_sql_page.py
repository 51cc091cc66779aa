"""What the SQL page reads out of statements and errors, and what it shows as code."""

import pytest

from sandbox.console.sql import code, scopes
from sandbox.console.sql.scopes import Scope
from sandbox.console.sql.shown import failure_of

HERE = Scope("main", "default")


@pytest.mark.parametrize(
    ("statement", "there"),
    [
        ("USE feat", "main.feat"),
        ("use schema `my feat`;", "main.my feat"),
        ("USE CATALOG dev", "dev.default"),
        ("USE dev.feat", "dev.feat"),
        ("-- go\n/* there */ USE DATABASE Feat", "main.feat"),
        ("SELECT 'USE feat'", "main.default"),
    ],
)
def test_where_use_leads(statement: str, there: str) -> None:
    assert str(scopes.after_use(statement, HERE)) == there


@pytest.mark.parametrize(("text", "scope"), [("Main.Feat", Scope("main", "feat")), ("main", None), ("a.b.c", None), ("a.", None)])
def test_a_scope_has_two_names(text: str, scope: Scope | None) -> None:
    assert scopes.parse(text) == scope


def test_the_parts_of_an_error() -> None:
    sentence = "A column, variable, or function parameter with name `nam` cannot be resolved. Did you mean `name`?"
    error = {"error_code": "BAD_REQUEST", "message": f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] {sentence} SQLSTATE: 42703"}
    found = failure_of(error)
    assert (found.code, found.name, found.sqlstate, found.sentence) == (
        "BAD_REQUEST",
        "UNRESOLVED_COLUMN.WITH_SUGGESTION",
        "42703",
        sentence,
    )
    assert (found.near, found.line) == ("nam", 0)


def test_where_reading_stopped() -> None:
    words = '[PARSE_SYNTAX_ERROR] The statement could not be read near line 3, after "FROM x WHER": Invalid expression.'
    found = failure_of({"message": words})
    assert (found.name, found.line, found.near) == ("PARSE_SYNTAX_ERROR", 3, "FROM x WHER")
    assert failure_of({"message": "The statement took too long."}).sentence == "The statement took too long."


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 'a\\n'\nFROM t", 'SELECT """x"""\nFROM t', "SELECT a\nFROM t"])
def test_the_program_sends_the_very_statement(statement: str) -> None:
    python = code.execute("http://site", statement, HERE)[0].code
    sent: list[dict[str, str]] = []

    class Client:
        def __init__(self, **_: str) -> None:
            self.statement_execution = self

        def execute_statement(self, **arguments: str) -> "Client":
            sent.append(arguments)
            return self

        status = result = None

    body = python.replace("from databricks.sdk import WorkspaceClient", "")
    exec(body, {"WorkspaceClient": Client, "print": lambda *_: None})
    assert sent == [
        {"warehouse_id": "sandbox", "catalog": "main", "schema": "default", "statement": statement, "wait_timeout": "30s"}
    ]
