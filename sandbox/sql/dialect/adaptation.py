"""Mends what sqlglot's own translation from Databricks SQL to DuckDB leaves different."""

import json
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from sandbox.sql.refusals import Refused

_FROM_JSON_EXAMPLE = "from_json(request, 'struct<inputs: array<double>>')"


def adapt(query: exp.Expression) -> exp.Expression:
    """The query with all of it mended; inner expressions first."""
    for select in query.find_all(exp.Select):
        _name_windows(select)
    for node in reversed(list(query.walk())):
        adapted = _adapt_node(node)
        if adapted is not node:
            node.replace(adapted)
    return query


def _name_windows(select: exp.Select) -> None:
    """`window`, `window.start` and `window.end` beside GROUP BY window(…) mean what it is grouped by."""
    group = select.args.get("group")
    windows = [each for each in group.expressions if _is_window(each)] if group else []
    if len(windows) != 1:
        return
    for part in (*select.expressions, select.args.get("having"), select.args.get("order")):
        for column in list(part.find_all(exp.Column)) if part is not None else []:
            if column.table.lower() == "window":
                put = exp.Dot(this=windows[0].copy(), expression=exp.to_identifier(column.name.lower(), quoted=True))
            elif not column.table and column.name.lower() == "window":
                put = windows[0].copy()
            else:
                continue
            if column.parent is select:
                put = exp.alias_(put, column.name, quoted=True)
            column.replace(put)


def _is_window(node: exp.Expression) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == "window"


_CHECKED = {exp.Div: "pg_divide", exp.Mod: "pg_remainder", exp.IntDiv: "pg_quotient"}


def _adapt_node(node: exp.Expression) -> exp.Expression:
    if type(node) in _CHECKED:  # dividing by zero is an error in ANSI mode, and infinity or NULL in DuckDB
        return exp.Anonymous(this=_CHECKED[type(node)], expressions=[node.this, node.expression])
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
