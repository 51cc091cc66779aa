"""Parts of the queries behind UPDATE, DELETE and MERGE."""

from typing import Any

from sqlglot import exp

from sandbox.sql.dialect.names import ROW_FILE, ROW_NUMBER
from sandbox.sql.refusals import Refused


def no_column(name: str, columns: list[list[str]], table: str) -> Any:
    raise Refused(
        f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] {table} has no column `{name[:100]}`. It has: "
        f"{', '.join(column[0] for column in columns)[:300]}."
    )


def cast(value: exp.Expression, name: str, type_text: str) -> exp.Expression:
    return exp.alias_(exp.cast(value, exp.DataType.build(type_text, dialect="databricks")), name, quoted=True)


def row_columns(alias: str) -> list[exp.Expression]:
    return [exp.alias_(exp.column(each, table=alias, quoted=True), each, quoted=True) for each in (ROW_FILE, ROW_NUMBER)]


def aliased(table: exp.Table) -> tuple[exp.Table, str]:
    copy = marked(table)
    if not copy.alias:
        copy.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    return copy, str(copy.alias)


def assignments(pairs: list[exp.Expression], columns: list[list[str]], table: str) -> dict[str, exp.Expression]:
    """Column in lower case -> its new value."""
    known = {column[0].lower() for column in columns}
    found: dict[str, exp.Expression] = {}
    for pair in pairs:
        if not isinstance(pair, exp.EQ) or not isinstance(pair.this, exp.Column):
            raise Refused("SET needs column = value.")
        name = pair.this.name.lower()
        if name not in known:
            no_column(pair.this.name, columns, table)
        if name in found:
            raise Refused(f"The column {name} is set twice.")
        found[name] = pair.expression
    return found


def marked(table: exp.Table) -> exp.Table:
    copy = table.copy()
    copy.meta["target"] = True
    return copy
