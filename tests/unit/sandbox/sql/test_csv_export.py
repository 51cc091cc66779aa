"""CSV of a result."""

from sandbox.sql.csv_export import csv_text
from sandbox.sql.run import SqlColumn, SqlResult


def csv_of(*rows: list[str | None]) -> list[str]:
    columns = tuple(SqlColumn(f"c{n}", "STRING", "STRING") for n in range(len(rows[0])))
    return csv_text(SqlResult(columns, list(rows), False, "", 0.1)).splitlines()


def test_it_works() -> None:
    assert csv_of(["plain", 'a "b", c', None]) == ["c0,c1,c2", 'plain,"a ""b"", c",']


def test_formulas_are_text_and_numbers_stay_numbers() -> None:
    assert csv_of(["=1+1", "+cmd|x", "-2+3", "@sum", "\tx"])[1] == "'=1+1,'+cmd|x,'-2+3,'@sum,'\tx"
    assert csv_of(["-5", "+1.5", "-1.5e-05", "-.5", "3"])[1] == "-5,+1.5,-1.5e-05,-.5,3"
