"""INSERT, UPDATE, DELETE and MERGE: plans, and the queries that compute which rows of the table change and to what.

Queries are built from the statement's own parts and translated like any other. A changed row is named by the data file that it
lies in and its position there (`names.ROW_FILE`, `names.ROW_NUMBER`), as the catalog's commits name it.
"""

from typing import Any

from sqlglot import exp

from sandbox.sql.dialect.merges import Merge
from sandbox.sql.dialect.row_parts import aliased, assignments, cast, no_column, row_columns
from sandbox.sql.dialect.scope import Scope
from sandbox.sql.dialect.translation import parse
from sandbox.sql.refusals import Refused

KIND = "__pg_kind"
"""Of a row that MERGE changes: the clause that says how, counted from 0."""
Plan = dict[str, Any]
Queries = list[tuple[str, exp.Query]]


def plan_of(word: str, sql: str, scope: Scope) -> tuple[Plan, Queries]:
    """The plan and its queries; incomplete when `scope.used.needs` has grown."""
    statement = parse(sql)
    if isinstance(statement, exp.Insert):
        return _insert(statement, scope)
    if isinstance(statement, exp.Update):
        return _update(statement, scope)
    if isinstance(statement, exp.Delete):
        return _delete(statement, scope)
    if isinstance(statement, exp.Merge):
        return _merge(statement, scope)
    raise Refused(f"This form of {word} is not supported here.")


def _target(table: exp.Expression, scope: Scope) -> tuple[str, list[list[str]]]:
    """Full name and columns of the table that is written; no columns while the site has not sent them."""
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise Refused("Rows can be written into a table only, named catalog.schema.table.")
    name = scope.full_name([part.name for part in table.parts])
    found = scope.find("target", name)
    return name, found["columns"] if found else []


def _insert(statement: exp.Insert, scope: Scope) -> tuple[Plan, Queries]:
    into, named = statement.this, None
    if isinstance(into, exp.Schema):
        named = [each.name for each in into.expressions]
        into = into.this
    for unsupported in ("partition", "where", "conflict", "returning", "ignore"):
        if statement.args.get(unsupported):
            raise Refused(f"INSERT … {unsupported.upper()} is not supported here.")
    name, columns = _target(into, scope)
    query = statement.expression
    if isinstance(query, exp.Values):
        query = exp.select("*").from_(query.copy() if query.alias else exp.alias_(query.copy(), "v", table=True))
    if not isinstance(query, exp.Query):
        raise Refused("INSERT needs VALUES or a query.")
    if statement.args.get("with_"):
        query.set("with_", statement.args["with_"].copy())
    plan: Plan = {"do": "insert", "name": name, "overwrite": bool(statement.args.get("overwrite"))}
    if not columns:
        return plan, []
    if statement.args.get("by_name"):
        return plan, [("rows", query)]
    targets = _targets(named, columns, name)
    width = _width(query)
    if width is not None and width != len(targets):
        raise Refused(
            f"[INSERT_COLUMN_ARITY_MISMATCH] Cannot write to {name}: the table takes {len(targets)} columns "
            f"({', '.join(each[0] for each in targets)}), the data has {width}."
        )
    labels = [f"c{number}" for number in range(len(targets))]
    casts = [cast(exp.column(label, quoted=True), *target) for label, target in zip(labels, targets, strict=True)]
    alias = exp.TableAlias(this=exp.to_identifier("q"), columns=[exp.to_identifier(label) for label in labels])
    return plan, [("rows", exp.select(*casts).from_(exp.Subquery(this=query, alias=alias)))]


def _targets(named: list[str] | None, columns: list[list[str]], table: str) -> list[list[str]]:
    if named is None:
        return columns
    known = {column[0].lower(): column for column in columns}
    return [known.get(name.lower()) or no_column(name, columns, table) for name in named]


def _width(query: exp.Query) -> int | None:
    """How many columns the query has, when that can be seen."""
    select: exp.Expression = query
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    if not isinstance(select, exp.Select):
        return None
    if len(select.expressions) == 1 and isinstance(select.expressions[0], exp.Star) and (source := select.args.get("from_")):
        values = source.this
        if isinstance(values, exp.Values):
            first = values.expressions[0]
            return len(first.expressions) if isinstance(first, exp.Tuple) else 1
        return None
    return (
        None if any(each.find(exp.Star) and not each.find(exp.Count) for each in select.expressions) else len(select.expressions)
    )


def _no_row_columns(*parts: exp.Expression | None) -> None:
    for part in parts:
        if part is not None and any(column.name.lower().startswith("__pg_") for column in part.find_all(exp.Column)):
            raise Refused("[UNRESOLVED_COLUMN] Names that begin with __pg_ belong to the site.")


def _update(statement: exp.Update, scope: Scope) -> tuple[Plan, Queries]:
    if statement.args.get("from_") or statement.args.get("order") or statement.args.get("limit"):
        raise Refused("UPDATE takes SET and WHERE here; MERGE takes values from another table.")
    name, columns = _target(statement.this, scope)
    where = statement.args.get("where")
    _no_row_columns(where, *statement.expressions)
    plan: Plan = {"do": "change_rows", "operation": "UPDATE", "name": name, "predicate": _text(where)}
    if not columns:
        return plan, []
    values = assignments(statement.expressions, columns, name)
    table, alias = aliased(statement.this)
    changed = [_new_value(column, values.get(column[0].lower()), alias) for column in columns]
    query = exp.select(*row_columns(alias), *changed).from_(table)
    return plan, [("updated", query.where(where.this.copy()) if where else query)]


def _new_value(column: list[str], value: exp.Expression | None, alias: str) -> exp.Expression:
    old = exp.column(column[0], table=alias, quoted=True)
    return cast(value.copy() if value is not None else old, column[0], column[1])


def _delete(statement: exp.Delete, scope: Scope) -> tuple[Plan, Queries]:
    if statement.args.get("using") or statement.args.get("limit"):
        raise Refused("DELETE takes WHERE here; MERGE deletes by another table.")
    name, columns = _target(statement.this, scope)
    where = statement.args.get("where")
    _no_row_columns(where)
    plan: Plan = {"do": "change_rows", "operation": "DELETE", "name": name, "predicate": _text(where)}
    if not columns:
        return plan, []
    table, alias = aliased(statement.this)
    query = exp.select(*row_columns(alias)).from_(table)
    return plan, [("deleted", query.where(where.this.copy()) if where else query)]


def _text(part: exp.Expression | None) -> str:
    return str(part.this.sql(dialect="databricks"))[:1000] if part is not None else ""


def _merge(statement: exp.Merge, scope: Scope) -> tuple[Plan, Queries]:
    name, columns = _target(statement.this, scope)
    on = statement.args.get("on")
    whens = statement.args["whens"].expressions
    _no_row_columns(statement)
    plan: Plan = {"do": "change_rows", "operation": "MERGE", "name": name, "predicate": str(on.sql(dialect="databricks"))[:1000]}
    if not columns:
        _ask_for(statement.args["using"], scope)
        return plan, []
    return plan, Merge(statement, name, columns, on, whens).queries()


def _ask_for(using: exp.Expression, scope: Scope) -> None:
    """Have the source's objects sent together with the target."""
    from sandbox.sql.dialect.translation import translate

    source = using.copy()
    translate(exp.select("*").from_(source), scope)
