"""From a learner's Databricks SQL to one harmless DuckDB SELECT; the one module that imports sqlglot.

Runs in the jail only: no statement of a learner is parsed anywhere else.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from sandbox.sql.functions import HINTS, TYPED, UNTYPED
from sandbox.sql.refusals import Refused

_FROM_JSON_EXAMPLE = "from_json(request, 'struct<inputs: array<double>>')"
_FORBIDDEN = (
    exp.DDL,
    exp.DML,
    exp.Command,
    exp.Copy,
    exp.Set,
    exp.Pragma,
    exp.Attach,
    exp.Detach,
    exp.Use,
    exp.Describe,
    exp.Show,
    exp.Into,
    exp.Alter,
    exp.Drop,
    exp.Transaction,
    exp.Commit,
    exp.Rollback,
    exp.Kill,
    exp.Cache,
    exp.Analyze,
)


@dataclass(frozen=True)
class Parameter:
    """The value of a named parameter marker; None is NULL."""

    name: str
    value: str | None
    type_text: str = "STRING"


@dataclass(frozen=True)
class Scope:
    """What names in the statement mean: `tables` maps each three-level name to the DuckDB view that holds its rows."""

    tables: Mapping[str, str]
    catalog: str = "main"
    schema: str = "default"
    parameters: Sequence[Parameter] = ()


def translate(sql: str, scope: Scope) -> str:
    """The statement for DuckDB. Raises Refused with a sentence for the learner."""
    try:
        query = _parse(sql)
        _check(query)
        _name_outputs(query)
        _resolve_tables(query, scope)
        _fill_parameters(query, scope.parameters)
        return str(_adapt(query).sql(dialect="duckdb"))
    except RecursionError:
        raise Refused("The statement is nested too deeply.") from None
    except SqlglotError as error:
        raise Refused(f"The statement uses something that is not available here: {str(error).splitlines()[0]}") from None


def _parse(sql: str) -> exp.Query:
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="databricks") if statement is not None]
    except ParseError as error:
        raise Refused(_where(error)) from None
    if not statements:
        raise Refused("There is no statement. Try: SELECT * FROM <table> LIMIT 10")
    if len(statements) > 1:
        raise Refused(f"Only one statement can be run at a time; there are {len(statements)} here.")
    (statement,) = statements
    if not isinstance(statement, exp.Query):
        raise Refused("Only SELECT (also WITH … SELECT) can be run here: inference tables are read-only.")
    return statement


def _where(error: ParseError) -> str:
    """Where reading stopped, without the parser's markup."""
    details = error.errors[0] if error.errors else {}
    line, near = details.get("line"), f"{details.get('start_context') or ''}{details.get('highlight') or ''}"[-40:]
    place = f' near line {line}, after "{" ".join(near.split())}"' if line else ""
    problem = re.sub(r"<class '[\w.]*?(\w+)'>", r"\1", str(details.get("description") or "syntax error")).rstrip(".")
    return f"[PARSE_SYNTAX_ERROR] The statement could not be read{place}: {problem}."


def _check(query: exp.Query) -> None:
    """Refuse whatever is no plain reading, and each function that is not on the list."""
    for node in query.walk():
        if isinstance(node, _FORBIDDEN):
            raise Refused("Only SELECT (also WITH … SELECT) can be run here: inference tables are read-only.")
        if isinstance(node, exp.Parameter | exp.SessionParameter):
            raise Refused("Variables and versions (@…) are not available here; parameters look like :name.")
        if isinstance(node, exp.CTE) and not isinstance(node.this, exp.Query):
            raise Refused("WITH can only name a SELECT here.")
        if isinstance(node, exp.Func):
            _check_function(node)
        if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.USERDEFINED:
            raise Refused(f"There is no type {node.sql(dialect='databricks')[:50]}.")
        if isinstance(node, exp.Table):
            _check_table(node)


def _check_function(node: exp.Func) -> None:
    if isinstance(node, exp.Anonymous):
        name, is_allowed = node.name.lower(), node.name.lower() in UNTYPED
    else:
        name, is_allowed = node.sql_names()[0].lower(), type(node).__name__ in TYPED
    if not is_allowed:
        hint = HINTS.get(name, "")
        raise Refused(f"[UNRESOLVED_ROUTINE] The function {name[:60]}() is not available here. {hint}".strip())


def _check_table(node: exp.Table) -> None:
    if not isinstance(node.this, exp.Identifier | exp.Dot):
        raise Refused("A function cannot stand after FROM here; name a table, or use LATERAL VIEW explode(…).")
    if node.args.get("version") or node.args.get("when"):
        raise Refused("Time travel (VERSION AS OF, TIMESTAMP AS OF) is not available here; only the newest version can be read.")


def _resolve_tables(query: exp.Query, scope: Scope) -> None:
    """Point each table at its view, and cut catalog and schema off the columns that name them."""
    folded = {name.casefold(): name for name in scope.tables}
    for node in list(query.find_all(exp.Table)):
        parts = [part.name for part in node.parts]
        if len(parts) == 1 and _is_visible_cte(node, parts[0]):
            continue
        known = _known_name(parts, scope, folded)
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(parts[-1], quoted=True)))
        node.set("this", exp.to_identifier(scope.tables[known], quoted=True))
        node.set("db", None)
        node.set("catalog", None)
    for column in query.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)


def _known_name(parts: list[str], scope: Scope, folded: dict[str, str]) -> str:
    full = ".".join([*(scope.catalog, scope.schema)[: max(0, 3 - len(parts))], *parts])
    name = full if full in scope.tables else folded.get(full.casefold())
    if name is None:
        yours = ", ".join(sorted(scope.tables)[:10])
        have = f"The tables of this workspace are: {yours}." if yours else "This workspace has no inference table yet."
        raise Refused(f"[TABLE_OR_VIEW_NOT_FOUND] The table {'.'.join(parts)[:200]} cannot be found. {have}")
    return name


def _is_visible_cte(table: exp.Table, name: str) -> bool:
    """Whether a WITH around the table names it: an earlier entry of a list that it stands in, or any of a query it belongs to."""
    inside: exp.Expression = table
    node = table.parent
    own_entry: exp.CTE | None = None
    while node is not None:
        if isinstance(node, exp.CTE):
            own_entry = node
        elif isinstance(node, exp.With) and own_entry is not None:
            entries = node.expressions
            position = next(i for i, entry in enumerate(entries) if entry is own_entry)
            visible = entries[: position + 1] if node.args.get("recursive") else entries[:position]
            if _names(visible, name):
                return True
        elif isinstance(node, exp.Query) and inside is not node.args.get("with_") and _names(node.ctes, name):
            return True
        inside, node = node, node.parent
    return False


def _names(entries: Sequence[exp.CTE], name: str) -> bool:
    return any(entry.alias.casefold() == name.casefold() for entry in entries)


def _fill_parameters(query: exp.Query, parameters: Sequence[Parameter]) -> None:
    values = {parameter.name.casefold(): parameter for parameter in parameters}
    for marker in list(query.find_all(exp.Placeholder)):
        name = marker.name
        if name in {"", "?"}:
            raise Refused("Positional parameters (?) are not supported; use named ones, as in :status.")
        parameter = values.get(name.casefold())
        if parameter is None:
            raise Refused(f"[UNBOUND_SQL_PARAMETER] There is no value for the parameter :{name}.")
        literal = exp.null() if parameter.value is None else exp.Literal.string(parameter.value)
        try:
            marker.replace(exp.cast(literal, exp.DataType.build(parameter.type_text, dialect="databricks")))
        except SqlglotError:
            raise Refused(f"The parameter :{name} has the unknown type {parameter.type_text[:50]}.") from None


def _name_outputs(query: exp.Query) -> None:
    """Give each unnamed output the name that Databricks would show."""
    select: exp.Expression = query
    while not isinstance(select, exp.Select):
        if not isinstance(select, exp.SetOperation | exp.Subquery):
            return
        select = select.this
    unnamed = (exp.Alias, exp.Aliases, exp.Column, exp.Star, exp.Explode, exp.ExplodeOuter, exp.Posexplode, exp.PosexplodeOuter)
    for output in list(select.expressions):
        if not isinstance(output, unnamed):
            output.replace(exp.alias_(output.copy(), _output_name(output), quoted=True))


def _output_name(output: exp.Expression) -> str:
    if isinstance(output, exp.JSONExtract) and isinstance(output.expression, exp.JSONPath):
        keys = [part.name for part in output.expression.expressions if isinstance(part, exp.JSONPathKey)]
        if keys:
            return str(keys[-1])
    if isinstance(output, exp.Cast) and isinstance(output.this, exp.JSONExtract):
        return _output_name(output.this)
    if isinstance(output, exp.Dot):
        return str(output.expression.name)
    if isinstance(output, exp.Count) and isinstance(output.this, exp.Star):
        return "count(1)"
    return str(output.sql(dialect="databricks", normalize_functions="lower", comments=False))[:255]


def _adapt(query: exp.Query) -> exp.Query:
    """Mend what sqlglot's own translation to DuckDB leaves different from Databricks; inner expressions first."""
    for node in reversed(list(query.walk())):
        adapted = _adapt_node(node)
        if adapted is not node:
            node.replace(adapted)
    return query


def _adapt_node(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.JSONExtract | exp.JSONExtractScalar):
        # both `column:path` and get_json_object give text without quotes, and NULL for what is no JSON
        macro = "pg_json_list" if _is_wildcard(node.expression) else "pg_json_text"
        return exp.Anonymous(this=macro, expressions=[node.this, node.expression])
    if isinstance(node, exp.FromJson):
        return exp.Anonymous(this="pg_from_json", expressions=[node.this, exp.Literal.string(_json_structure(node.expression))])
    if isinstance(node, exp.Quantile):
        # percentile_approx is exact here, and always a value of the column, as in Databricks; percentile interpolates
        name = "quantile_disc" if isinstance(node, exp.ApproxQuantile) else "quantile_cont"
        return exp.Anonymous(this=name, expressions=[node.this, node.args["quantile"]])
    if isinstance(node, exp.StrToUnix) and isinstance(node.this, exp.Column):
        return exp.Anonymous(this="pg_unix_seconds", expressions=[node.this])
    if isinstance(node, exp.TsOrDsAdd | exp.AddMonths):  # a date plus an interval is a timestamp in DuckDB
        return exp.cast(node.copy(), "date")
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc) and node.args.get("unit"):
        unit = str(node.args["unit"].name).upper()
        node.set("unit", exp.var(_UNITS.get(unit, unit)))
        return node if isinstance(node, exp.TimestampTrunc) else exp.cast(node.copy(), "date")
    if isinstance(node, exp.DayOfWeek):  # Sunday is 1, in DuckDB 0
        return exp.paren(exp.Add(this=node.copy(), expression=exp.Literal.number(1)))
    if isinstance(node, exp.Exists) and isinstance(node.expression, exp.Lambda):
        return _any_or_all("list_bool_or", node.this, node.expression)
    if isinstance(node, exp.Anonymous):
        return _adapt_untyped(node, node.name.lower())
    return node


def _adapt_untyped(node: exp.Anonymous, name: str) -> exp.Expression:
    if name == "window":
        return _window(node)
    if name == "forall" and len(node.expressions) == 2:
        return _any_or_all("list_bool_and", *node.expressions)
    if name in {"isnull", "isnotnull"} and len(node.expressions) == 1:
        is_null = exp.Is(this=node.expressions[0], expression=exp.null())
        return exp.paren(is_null if name == "isnull" else exp.not_(is_null))
    if name in _RENAMED:
        return exp.Anonymous(this=_RENAMED[name], expressions=node.expressions)
    return node


_UNITS = {"YYYY": "YEAR", "YY": "YEAR", "MM": "MONTH", "MON": "MONTH", "DD": "DAY"}
_RENAMED = {"every": "bool_and", "some": "bool_or", "mean": "avg", "std": "stddev", "timestamp_seconds": "to_timestamp"}


def _any_or_all(aggregate: str, array: exp.Expression, condition: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=aggregate, expressions=[exp.Transform(this=array, expression=condition)])


def _window(node: exp.Anonymous) -> exp.Expression:
    if len(node.expressions) != 2 or not (isinstance(node.expressions[1], exp.Literal) and node.expressions[1].is_string):
        raise Refused("window() takes a time and a length here, as in window(request_time, '5 minutes').")
    return exp.Anonymous(this="pg_window", expressions=node.expressions)


def _is_wildcard(path: exp.Expression | None) -> bool:
    """Whether the path names many values (`$.rows[*].x`)."""
    return path is not None and any(True for _ in path.find_all(exp.JSONPathWildcard, exp.JSONPathRecursive, exp.JSONPathSlice))


def _json_structure(schema: exp.Expression | None) -> str:
    """The json_transform structure of from_json's schema. Raises Refused when it is no literal schema."""
    if not isinstance(schema, exp.Literal) or not schema.is_string:
        raise Refused(f"from_json needs its schema as a text, as in {_FROM_JSON_EXAMPLE}.")
    text = schema.name.strip()
    for candidate in (text, f"struct<{text}>"):
        try:
            return json.dumps(_structure(exp.DataType.build(candidate, dialect="databricks")))
        except (SqlglotError, ValueError):
            continue
    raise Refused(f"from_json cannot read the schema '{text[:100]}'. It looks like this: {_FROM_JSON_EXAMPLE}.")


def _structure(data_type: exp.DataType) -> Any:
    """Objects for structs, one-element lists for arrays, DuckDB's type names for the rest; ValueError for no known type."""
    if data_type.this == exp.DataType.Type.STRUCT:
        fields = data_type.expressions
        if not fields or not all(isinstance(field, exp.ColumnDef) and field.args.get("kind") for field in fields):
            raise ValueError
        return {field.name: _structure(field.args["kind"]) for field in fields}
    if data_type.this in {exp.DataType.Type.ARRAY, exp.DataType.Type.LIST}:
        if len(data_type.expressions) != 1:
            raise ValueError
        return [_structure(data_type.expressions[0])]
    if data_type.this == exp.DataType.Type.USERDEFINED:
        raise ValueError
    return data_type.sql(dialect="duckdb")
