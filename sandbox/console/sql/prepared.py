"""Statements to begin with: over a table that a page links from, and examples that run in a workspace that has nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.catalog import captured
from sandbox.catalog.access import visible
from sandbox.catalog.folders import MANAGED_FOLDER
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.catalog.code import sql_name
from sandbox.console.sql.scopes import Scope
from sandbox.workspaces.members import Caller

ROWS = 100


@dataclass(frozen=True)
class Example:
    """Statements with what they show."""

    key: str
    label: str
    shows: str
    sql: str


def select_from(table: str) -> str:
    """The first rows of a table by its full name."""
    return f"SELECT *\nFROM {sql_name(table)}\nLIMIT {ROWS}"


def examples(caller: Caller, scope: Scope) -> Sequence[Example]:
    """In the order in which one meets them; all but the last two are about the table of the first."""
    visits = sql_name(f"{scope}.example_visits")
    create = _CREATE.format(visits=visits)
    return (
        Example(
            "create", "A table with a primary key", "Feature tables need one.", f"{create}\n\n{_INSERT.format(visits=visits)}"
        ),
        Example(
            "history", "Time travel", "Every change is a version that can be read.", _HISTORY.format(visits=visits, create=create)
        ),
        Example(
            "function",
            "A function in Python",
            "Statements and models may call it.",
            _FUNCTION.format(risk=sql_name(f"{scope}.example_risk")),
        ),
        Example("requests", "Requests of an endpoint", "What an inference table says of a deployment.", _requests(caller)),
        Example("ai_query", "Ask an endpoint", "ai_query calls it for each row.", _AI_QUERY),
    )


def _requests(caller: Caller) -> str:
    """Over the newest inference table; without one, over the table that counts the use of endpoints."""
    captured.adopt(caller.workspace)
    tables = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.TABLE, table__table_type="MANAGED")
    found = tables.exclude(table__location="").exclude(table__location__startswith=f"{MANAGED_FOLDER}/")
    newest = visible(caller, found).order_by("-created_at").first()
    if newest is None:
        return _USAGE
    return _COUNTS.format(table=sql_name(newest.full_name))


_CREATE = """\
CREATE TABLE IF NOT EXISTS {visits} (
  customer_id BIGINT NOT NULL PRIMARY KEY,
  visits INT COMMENT 'In the last 30 days',
  spent DOUBLE,
  city STRING
);"""
_INSERT = """\
INSERT INTO {visits} VALUES
  (1, 12, 340.5, 'Oslo'), (2, 3, 25.0, 'Lima'), (3, 7, 120.0, 'Oslo'), (4, 1, NULL, 'Pune'), (5, 9, 210.0, 'Lima');

SELECT city, count(*) AS customers, sum(spent) AS spent
FROM {visits}
GROUP BY city
ORDER BY spent DESC;"""
_HISTORY = """\
{create}

UPDATE {visits} SET visits = visits + 1 WHERE city = 'Oslo';

DESCRIBE HISTORY {visits};

SELECT * FROM {visits} VERSION AS OF 0;"""
_FUNCTION = """\
CREATE OR REPLACE FUNCTION {risk}(visits INT)
RETURNS STRING
LANGUAGE PYTHON
AS $$
return "high" if visits < 5 else "low"
$$;

SELECT visits, {risk}(visits) AS risk
FROM VALUES (1), (4), (9) AS t(visits);"""
_COUNTS = """\
SELECT served_entity_id, status_code, count(*) AS requests,
       round(avg(execution_duration_ms), 1) AS mean_ms
FROM {table}
GROUP BY ALL
ORDER BY requests DESC;"""
_USAGE = """\
SELECT served_entity_id, status_code, count(*) AS requests
FROM system.serving.endpoint_usage
GROUP BY ALL
ORDER BY requests DESC;"""
_AI_QUERY = """\
SELECT text, from_json(ai_query('databricks-bge-large-en', text), 'array<double>')[0] AS first_number
FROM VALUES ('the price is too high'), ('I love this plan') AS t(text);"""
