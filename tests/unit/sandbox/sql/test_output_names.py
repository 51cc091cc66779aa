"""Outputs without an alias have the names that Databricks gives them."""

import pytest
import sqlglot

from sandbox.sql.dialect.output_names import output_name


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1", "1"),
        ("-1", "-1"),
        ("'a'", "a"),
        ("TRUE", "true"),
        ("COUNT(*)", "count(1)"),
        ("Sum( a )", "sum(a)"),
        ("count(DISTINCT t.a)", "count(DISTINCT a)"),
        ("1+2*3", "(1 + (2 * 3))"),
        ("(1+2)*3", "((1 + 2) * 3)"),
        ("-t.a", "(- a)"),
        ("main.default.t.`a b` + 1", "(a b + 1)"),
        ("a > 1 AND NOT b = 'x'", "((a > 1) AND (NOT (b = x)))"),
        ("a IS NULL", "(a IS NULL)"),
        ("a IS NOT NULL", "(a IS NOT NULL)"),
        ("a IN (1, 2)", "(a IN (1, 2))"),
        ("0.5 BETWEEN 0.1 AND 1.0", "between(0.5, 0.1, 1.0)"),
        ("a LIKE 'n%'", "a LIKE n%"),
        ("lower('X') || a", "concat(lower(X), a)"),
        ("max(a) - min(a)", "(max(a) - min(a))"),
        ("CAST(a AS STRING)", "CAST(a AS STRING)"),
        ("a::int + 1", "(CAST(a AS INT) + 1)"),
        ("CASE WHEN a = 1 THEN 'x' END", "CASE WHEN (a = 1) THEN x END"),
        ("current_date()", "current_date()"),
        ("(SELECT 3)", "scalarsubquery()"),
        ("array(1, 2)[0]", "array(1, 2)[0]"),
        ("request:a.b", "b"),
        ("request:a.b::int", "b"),
        ("count(" + "a" * 300 + ")", "count(" + "a" * 249),
    ],
)
def test_the_name(written: str, shown: str) -> None:
    select = sqlglot.parse_one(f"SELECT {written}", dialect="databricks")
    assert output_name(select.expressions[0]) == shown
    assert select.expressions[0] == sqlglot.parse_one(f"SELECT {written}", dialect="databricks").expressions[0]
