"""MERGE: rows that match, source rows that match none, target rows that match none, each as a query."""

from typing import Any

from sqlglot import exp

from sandbox.sql.dialect.row_parts import aliased, assignments, cast, row_columns
from sandbox.sql.refusals import Refused

Queries = list[tuple[str, exp.Query]]


class Merge:
    """The queries of one MERGE: rows that match, source rows that match none, target rows that match none."""

    def __init__(self, statement: exp.Merge, name: str, columns: list[list[str]], on: exp.Expression, whens: list[Any]) -> None:
        self.name, self.columns, self.on = name, columns, on
        self.table, self.alias = aliased(statement.this)
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
            rows = with_source(exp.select(*row_columns(self.alias)).from_(self.table.copy()))
            found.append((f"{name}_deleted", rows.where(_one_of(clause, deletes))))
        if updates:
            values = [self._after(column, updates, clause) for column in self.columns]
            rows = with_source(exp.select(*row_columns(self.alias), *values).from_(self.table.copy()))
            found.append((f"{name}_updated", rows.where(_one_of(clause, list(updates)))))
        return found

    def _set(self, when: Any) -> dict[str, exp.Expression]:
        then = when.args["then"]
        if not isinstance(then, exp.Update):
            raise Refused("WHEN MATCHED takes UPDATE SET … or DELETE.")
        pairs = then.expressions
        if len(pairs) == 1 and isinstance(pairs[0], exp.Star):
            return {column[0].lower(): exp.column(column[0], table=self.source_alias, quoted=True) for column in self.columns}
        return assignments(pairs, self.columns, self.name)

    def _after(self, column: list[str], updates: dict[int, dict[str, exp.Expression]], clause: exp.Case) -> exp.Expression:
        old = exp.column(column[0], table=self.alias, quoted=True)
        setting = {number: values[column[0].lower()] for number, values in updates.items() if column[0].lower() in values}
        if not setting:
            return cast(old, *column)
        if len(updates) == 1:
            return cast(next(iter(setting.values())).copy(), *column)
        chosen = exp.Case(this=clause.copy())
        for number, value in setting.items():
            chosen = chosen.when(
                exp.Literal.number(number), exp.cast(value.copy(), exp.DataType.build(column[1], dialect="databricks"))
            )
        return cast(chosen.else_(old), *column)

    def _inserted(self) -> exp.Query:
        """Source rows without a match, by the first clause whose condition holds."""
        parts = []
        earlier: list[exp.Expression] = []
        for when in self.inserts:
            values = self._insert_values(when)
            columns = [cast(values.get(column[0].lower(), exp.null()).copy(), *column) for column in self.columns]
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
        return assignments(pairs, self.columns, self.name)


def _is_delete(when: Any) -> bool:
    return isinstance(when.args["then"], exp.Var) and when.args["then"].name.upper() == "DELETE"


def _one_of(clause: exp.Case, numbers: list[int]) -> exp.Expression:
    return exp.In(this=clause.copy(), expressions=[exp.Literal.number(number) for number in numbers])
