"""INSERT, UPDATE, DELETE and MERGE: plans, and the queries that compute which rows of the table change and to what.

Queries are built from the statement's own parts and translated like any other. A changed row is named by the data file that it
lies in and its position there (`names.ROW_FILE`, `names.ROW_NUMBER`), as the catalog's commits name it.
"""

from typing import Any

from sqlglot import exp

from sandbox.sql.dialect.names import ROW_FILE, ROW_NUMBER
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


def _marked(table: exp.Table) -> exp.Table:
    copy = table.copy()
    copy.meta["target"] = True
    return copy


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
    casts = [_cast(exp.column(label, quoted=True), *target) for label, target in zip(labels, targets, strict=True)]
    alias = exp.TableAlias(this=exp.to_identifier("q"), columns=[exp.to_identifier(label) for label in labels])
    return plan, [("rows", exp.select(*casts).from_(exp.Subquery(this=query, alias=alias)))]


def _targets(named: list[str] | None, columns: list[list[str]], table: str) -> list[list[str]]:
    if named is None:
        return columns
    known = {column[0].lower(): column for column in columns}
    return [known.get(name.lower()) or _no_column(name, columns, table) for name in named]


def _no_column(name: str, columns: list[list[str]], table: str) -> Any:
    raise Refused(
        f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] {table} has no column `{name[:100]}`. It has: "
        f"{', '.join(column[0] for column in columns)[:300]}."
    )


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


def _cast(value: exp.Expression, name: str, type_text: str) -> exp.Expression:
    return exp.alias_(exp.cast(value, exp.DataType.build(type_text, dialect="databricks")), name, quoted=True)


def _row_columns(alias: str) -> list[exp.Expression]:
    return [exp.alias_(exp.column(each, table=alias, quoted=True), each, quoted=True) for each in (ROW_FILE, ROW_NUMBER)]


def _aliased(table: exp.Table) -> tuple[exp.Table, str]:
    marked = _marked(table)
    if not marked.alias:
        marked.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    return marked, str(marked.alias)


def _no_row_columns(*parts: exp.Expression | None) -> None:
    for part in parts:
        if part is not None and any(column.name.lower().startswith("__pg_") for column in part.find_all(exp.Column)):
            raise Refused("[UNRESOLVED_COLUMN] Names that begin with __pg_ belong to the site.")


def _assignments(pairs: list[exp.Expression], columns: list[list[str]], table: str) -> dict[str, exp.Expression]:
    """Column in lower case -> its new value."""
    known = {column[0].lower() for column in columns}
    found: dict[str, exp.Expression] = {}
    for pair in pairs:
        if not isinstance(pair, exp.EQ) or not isinstance(pair.this, exp.Column):
            raise Refused("SET needs column = value.")
        name = pair.this.name.lower()
        if name not in known:
            _no_column(pair.this.name, columns, table)
        if name in found:
            raise Refused(f"The column {name} is set twice.")
        found[name] = pair.expression
    return found


def _update(statement: exp.Update, scope: Scope) -> tuple[Plan, Queries]:
    if statement.args.get("from_") or statement.args.get("order") or statement.args.get("limit"):
        raise Refused("UPDATE takes SET and WHERE here; MERGE takes values from another table.")
    name, columns = _target(statement.this, scope)
    where = statement.args.get("where")
    _no_row_columns(where, *statement.expressions)
    plan: Plan = {"do": "change_rows", "operation": "UPDATE", "name": name, "predicate": _text(where)}
    if not columns:
        return plan, []
    values = _assignments(statement.expressions, columns, name)
    table, alias = _aliased(statement.this)
    changed = [_new_value(column, values.get(column[0].lower()), alias) for column in columns]
    query = exp.select(*_row_columns(alias), *changed).from_(table)
    return plan, [("updated", query.where(where.this.copy()) if where else query)]


def _new_value(column: list[str], value: exp.Expression | None, alias: str) -> exp.Expression:
    old = exp.column(column[0], table=alias, quoted=True)
    return _cast(value.copy() if value is not None else old, column[0], column[1])


def _delete(statement: exp.Delete, scope: Scope) -> tuple[Plan, Queries]:
    if statement.args.get("using") or statement.args.get("limit"):
        raise Refused("DELETE takes WHERE here; MERGE deletes by another table.")
    name, columns = _target(statement.this, scope)
    where = statement.args.get("where")
    _no_row_columns(where)
    plan: Plan = {"do": "change_rows", "operation": "DELETE", "name": name, "predicate": _text(where)}
    if not columns:
        return plan, []
    table, alias = _aliased(statement.this)
    query = exp.select(*_row_columns(alias)).from_(table)
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
    return plan, _Merge(statement, name, columns, on, whens).queries()


def _ask_for(using: exp.Expression, scope: Scope) -> None:
    """Have the source's objects sent together with the target."""
    from sandbox.sql.dialect.translation import translate

    source = using.copy()
    translate(exp.select("*").from_(source), scope)


class _Merge:
    """The queries of one MERGE: rows that match, source rows that match none, target rows that match none."""

    def __init__(self, statement: exp.Merge, name: str, columns: list[list[str]], on: exp.Expression, whens: list[Any]) -> None:
        self.name, self.columns, self.on = name, columns, on
        self.table, self.alias = _aliased(statement.this)
        self.source = statement.args["using"]
        self.source_alias = str(self.source.alias or self.source.name)
        self.matched = [when for when in whens if when.args.get("matched")]
        self.inserts = [when for when in whens if not when.args.get("matched") and not when.args.get("source")]
        self.by_source = [when for when in whens if not when.args.get("matched") and when.args.get("source")]

    def queries(self) -> Queries:
        found: Queries = []
        if self.matched:
            found += self._changes(
                "matched", self.matched, lambda q: q.join(self.source.copy(), on=self.on.copy(), join_type="INNER")
            )
        if self.by_source:
            found += self._changes("by_source", self.by_source, lambda q: q.where(self._unmatched(self.source)))
        if self.inserts:
            found.append(("inserted", self._inserted()))
        return found

    def _unmatched(self, other: exp.Expression) -> exp.Expression:
        return exp.not_(exp.Exists(this=exp.select("1").from_(other.copy()).where(self.on.copy())))

    def _changes(self, name: str, whens: list[Any], with_source: Any) -> Queries:
        """Rows to delete, and rows to update as they are afterwards, each by the first clause whose condition holds."""
        clause = exp.Case()
        for number, when in enumerate(whens):
            condition = when.args.get("condition")
            clause = clause.when(condition.copy() if condition is not None else exp.true(), exp.Literal.number(number))
        deletes = [number for number, when in enumerate(whens) if _is_delete(when)]
        updates = {number: self._set(when) for number, when in enumerate(whens) if not _is_delete(when)}
        found: Queries = []
        if deletes:
            rows = with_source(exp.select(*_row_columns(self.alias)).from_(self.table.copy()))
            found.append((f"{name}_deleted", rows.where(_one_of(clause, deletes))))
        if updates:
            values = [self._after(column, updates, clause) for column in self.columns]
            rows = with_source(exp.select(*_row_columns(self.alias), *values).from_(self.table.copy()))
            found.append((f"{name}_updated", rows.where(_one_of(clause, list(updates)))))
        return found

    def _set(self, when: Any) -> dict[str, exp.Expression]:
        then = when.args["then"]
        if not isinstance(then, exp.Update):
            raise Refused("WHEN MATCHED takes UPDATE SET … or DELETE.")
        pairs = then.expressions
        if len(pairs) == 1 and isinstance(pairs[0], exp.Star):
            return {column[0].lower(): exp.column(column[0], table=self.source_alias, quoted=True) for column in self.columns}
        return _assignments(pairs, self.columns, self.name)

    def _after(self, column: list[str], updates: dict[int, dict[str, exp.Expression]], clause: exp.Case) -> exp.Expression:
        old = exp.column(column[0], table=self.alias, quoted=True)
        setting = {number: values[column[0].lower()] for number, values in updates.items() if column[0].lower() in values}
        if not setting:
            return _cast(old, *column)
        if len(updates) == 1:
            return _cast(next(iter(setting.values())).copy(), *column)
        chosen = exp.Case(this=clause.copy())
        for number, value in setting.items():
            chosen = chosen.when(
                exp.Literal.number(number), exp.cast(value.copy(), exp.DataType.build(column[1], dialect="databricks"))
            )
        return _cast(chosen.else_(old), *column)

    def _inserted(self) -> exp.Query:
        """Source rows without a match, by the first clause whose condition holds."""
        parts = []
        earlier: list[exp.Expression] = []
        for when in self.inserts:
            values = self._insert_values(when)
            columns = [_cast(values.get(column[0].lower(), exp.null()).copy(), *column) for column in self.columns]
            condition = when.args.get("condition")
            query = exp.select(*columns).from_(self.source.copy()).where(self._unmatched(self.table))
            for each in earlier:
                query = query.where(exp.not_(exp.Coalesce(this=exp.paren(each.copy()), expressions=[exp.false()])))
            query = query.where(condition.copy()) if condition is not None else query
            earlier.append(condition if condition is not None else exp.true())
            parts.append(query)
        return parts[0] if len(parts) == 1 else exp.union(*parts, distinct=False)

    def _insert_values(self, when: Any) -> dict[str, exp.Expression]:
        then = when.args["then"]
        if not isinstance(then, exp.Insert):
            raise Refused("WHEN NOT MATCHED takes INSERT * or INSERT (columns) VALUES (values).")
        if isinstance(then.this, exp.Star) or then.this is None:
            return {column[0].lower(): exp.column(column[0], table=self.source_alias, quoted=True) for column in self.columns}
        names = [each.name for each in then.this.expressions]
        values = then.expression.expressions if isinstance(then.expression, exp.Tuple) else [then.expression]
        if len(names) != len(values):
            raise Refused(f"INSERT names {len(names)} columns and gives {len(values)} values.")
        pairs: list[exp.Expression] = [
            exp.EQ(this=exp.column(name), expression=value) for name, value in zip(names, values, strict=True)
        ]
        return _assignments(pairs, self.columns, self.name)


def _is_delete(when: Any) -> bool:
    return isinstance(when.args["then"], exp.Var) and when.args["then"].name.upper() == "DELETE"


def _one_of(clause: exp.Case, numbers: list[int]) -> exp.Expression:
    return exp.In(this=clause.copy(), expressions=[exp.Literal.number(number) for number in numbers])
