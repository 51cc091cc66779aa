"""From a learner's Databricks SQL to one harmless DuckDB SELECT. Runs in the jail only, as all of this package does."""

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from sandbox.sql.dialect import allowed, names
from sandbox.sql.dialect.adaptation import adapt
from sandbox.sql.dialect.output_names import name_outputs
from sandbox.sql.dialect.reader import with_quoted_windows
from sandbox.sql.dialect.scope import Scope
from sandbox.sql.refusals import Refused

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


def parse(sql: str) -> exp.Expression:
    """The one statement in the text. Raises Refused."""
    sql = with_quoted_windows(sql)
    try:
        statements = [statement for statement in sqlglot.parse(sql, read="databricks") if statement is not None]
    except ParseError as error:
        raise Refused(_where(error)) from None
    except SqlglotError as error:
        near = " ".join(str(error).split())[-60:]
        raise Refused(f"[PARSE_SYNTAX_ERROR] The statement could not be read, near: {near}") from None
    if not statements:
        raise Refused("There is no statement. Try: SELECT * FROM <table> LIMIT 10")
    if len(statements) > 1:
        raise Refused(f"Only one statement can be run at a time; there are {len(statements)} here.")
    return statements[0]


def parse_query(sql: str) -> exp.Query:
    """The SELECT in the text. Raises Refused."""
    statement = parse(sql)
    if isinstance(statement, exp.Values):
        statement = exp.select("*").from_(statement)
    if not isinstance(statement, exp.Query):
        raise Refused("A SELECT (also WITH … SELECT) was expected.")
    return statement


def translate(query: exp.Query, scope: Scope) -> str:
    """The query for DuckDB. Raises Refused with a sentence for the learner. When `scope.used.needs` has grown by this, the
    result is incomplete and must not be run.
    """
    try:
        return str(translated(query, scope).sql(dialect="duckdb"))
    except RecursionError:
        raise Refused("The statement is nested too deeply.") from None
    except SqlglotError as error:
        raise Refused(f"The statement uses something that is not available here: {str(error).splitlines()[0]}") from None


def translated(query: exp.Expression, scope: Scope) -> exp.Expression:
    """The same as a tree."""
    _fill_parameters(query, scope)
    later = names.resolve_functions(query, scope)
    check(query)
    if isinstance(query, exp.Query):
        name_outputs(query)
    later |= names.resolve_tables(query, scope)
    adapted = adapt(query)
    return _put_in(adapted, later, scope)


def _put_in(tree: exp.Expression, later: dict[str, "names.Later"], scope: Scope) -> exp.Expression:
    """Replace the marks that stand for views and SQL functions by their own translations."""
    for node in list(tree.find_all(exp.Table, exp.Anonymous)):
        waiting = later.get(node.name)
        if waiting is None:
            continue
        body = translated(_inner(waiting.text), scope.inside(waiting.name, waiting.catalog, waiting.schema))
        put = _view(node, body) if isinstance(node, exp.Table) else _call(node, body, waiting)
        if node is tree:
            return put
        node.replace(put)
    return tree


def _inner(text: str) -> exp.Expression:
    """The query of a view, or the expression or query of a function."""
    statement = parse(text if re.match(r"\s*(\(\s*)*(select|with|values|from)\b", text, re.IGNORECASE) else f"SELECT {text}")
    if isinstance(statement, exp.Values):
        return exp.select("*").from_(statement)
    if not isinstance(statement, exp.Query):
        raise Refused("Only a SELECT or an expression can stand in a view or function.")
    return statement


def _view(node: exp.Table, body: exp.Expression) -> exp.Expression:
    joins = [join.copy() for join in node.args.get("joins") or []]
    subquery = exp.Subquery(this=body, alias=node.args["alias"].copy())
    if joins:
        subquery.set("joins", joins)
    if node.args.get("laterals"):
        subquery.set("laterals", [lateral.copy() for lateral in node.args["laterals"]])
    return subquery


def _call(node: exp.Anonymous, body: exp.Expression, waiting: "names.Later") -> exp.Expression:
    """The function's expression with the arguments in place of its parameters; a query becomes a scalar subquery."""
    arguments = {
        name.lower(): exp.cast(value.copy(), exp.DataType.build(type_text, dialect="databricks"))
        for (name, type_text, _), value in zip(waiting.parameters, node.expressions, strict=True)
    }
    for column in list(body.find_all(exp.Column)):
        if column.name.lower() in arguments and (not column.table or column.table.lower() == waiting.name.rpartition(".")[2]):
            column.replace(exp.paren(arguments[column.name.lower()].copy()))
    is_plain = isinstance(body, exp.Select) and not body.args.get("from_") and not body.args.get("where")
    value = body.expressions[0].unalias() if is_plain else exp.Subquery(this=body)
    return exp.cast(exp.paren(value), exp.DataType.build(waiting.returns, dialect="databricks"))


def _where(error: ParseError) -> str:
    """Where reading stopped, without the parser's markup."""
    details = error.errors[0] if error.errors else {}
    line, near = details.get("line"), f"{details.get('start_context') or ''}{details.get('highlight') or ''}"[-40:]
    place = f' near line {line}, after "{" ".join(near.split())}"' if line else ""
    problem = re.sub(r"<class '[\w.]*?(\w+)'>", r"\1", str(details.get("description") or "syntax error")).rstrip(".")
    return f"[PARSE_SYNTAX_ERROR] The statement could not be read{place}: {problem}."


def check(query: exp.Expression) -> None:
    """Refuse whatever is no plain reading, and each function that is not on the list."""
    for node in query.walk():
        if isinstance(node, _FORBIDDEN):
            raise Refused("Only reading (SELECT) can stand within a statement here.")
        if isinstance(node, exp.Parameter | exp.SessionParameter) and not names.is_version_mark(node):
            raise Refused("Variables (@…) are not available here; parameters look like :name.")
        if isinstance(node, exp.CTE) and not isinstance(node.this, exp.Query):
            raise Refused("WITH can only name a SELECT here.")
        if isinstance(node, exp.Func):
            _check_function(node)
        if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.USERDEFINED:
            raise Refused(f"There is no type {node.sql(dialect='databricks')[:50]}.")


def _check_function(node: exp.Func) -> None:
    if isinstance(node.parent, exp.Table):  # after FROM: names.resolve_tables says which
        return
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        is_allowed = name in allowed.UNTYPED or names.is_mark(node.name)
    else:
        name, is_allowed = node.sql_names()[0].lower(), type(node).__name__ in allowed.TYPED
    if not is_allowed:
        hint = allowed.HINTS.get(name, "")
        raise Refused(f"[UNRESOLVED_ROUTINE] The function {name[:60]}() is not available here. {hint}".strip())


def _fill_parameters(query: exp.Expression, scope: Scope) -> None:
    values = {parameter.name.casefold(): parameter for parameter in scope.parameters}
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
