"""Names in queries: tables, views, versions of tables and functions, each replaced by what the engine knows it under.

Views and SQL functions are marked, and put in once the query around them is adapted, so that nothing is adapted twice.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sandbox.sql.dialect import allowed
from sandbox.sql.dialect.ai_query import ai_query
from sandbox.sql.dialect.scope import Scope
from sandbox.sql.refusals import Refused

ROW_FILE, ROW_NUMBER = "__pg_file", "__pg_row"
"""Columns that the target of UPDATE, DELETE and MERGE has besides its own."""
_MARK = re.compile(r"pg_(view|sql|py)_\d+|pg_ai_query\w*", re.IGNORECASE)
_VERSION_MARK = re.compile(r"v(\d+)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Later:
    """A view or SQL function that a mark stands for."""

    name: str
    text: str
    catalog: str
    schema: str
    parameters: Sequence[Any] = ()
    returns: str = ""


def is_mark(name: str) -> bool:
    return _MARK.fullmatch(name) is not None


def shown(name: str) -> str:
    """The name of an output without marks."""
    return re.sub(r"pg_ai_query\w*", "ai_query", name)


def is_version_mark(node: exp.Expression) -> bool:
    """Whether `@v3` after a table was read as an alias."""
    return isinstance(node.parent, exp.TableAlias) and _VERSION_MARK.match(node.name) is not None


def resolve_tables(query: exp.Expression, scope: Scope) -> dict[str, Later]:
    """Point each table at its relation or mark, and cut catalog and schema off the columns that name them."""
    later: dict[str, Later] = {}
    for node in list(query.find_all(exp.Table)):
        if isinstance(node.this, exp.Anonymous | exp.Func):
            _table_function(node, scope)
            continue
        if not isinstance(node.this, exp.Identifier | exp.Dot):
            raise Refused("A function cannot stand after FROM here; name a table, or use LATERAL VIEW explode(…).")
        parts = [part.name for part in node.parts]
        if len(parts) == 1 and _is_visible_cte(node, parts[0]):
            continue
        _resolve_table(node, parts, scope, later)
    for column in query.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    return later


def _resolve_table(node: exp.Table, parts: list[str], scope: Scope, later: dict[str, Later]) -> None:
    if _is_target(node):
        kind, argument = "target", None
    else:
        kind, argument = "table", _version(node, scope)
    if kind == "table" and len(parts) == 2 and parts[0].lower() == "parquet" and parts[1].startswith("/"):
        kind, name = "file", parts[1]
    else:
        name = scope.full_name(parts)
    found = scope.find(kind, name, argument)
    alias = node.args.get("alias")
    if not node.alias:
        columns = alias.args.get("columns") if alias else None
        node.set("alias", exp.TableAlias(this=exp.to_identifier(parts[-1], quoted=True), columns=columns))
    if found is not None and found["kind"] == "view":
        mark = f"pg_view_{len(later)}"
        later[mark] = Later(name, found["text"], found["catalog"], found["schema"])
        put = mark
    else:
        put = scope.relation(kind, name, argument)
    node.set("this", exp.to_identifier(put, quoted=True))
    for part in ("db", "catalog", "version", "when"):
        node.set(part, None)


def _is_target(node: exp.Table) -> bool:
    return bool(node.meta.get("target"))


def _version(node: exp.Table, scope: Scope) -> Any:
    """[“version”, 3], [“timestamp”, text], or None for the newest."""
    alias = node.args.get("alias")
    if alias is not None and isinstance(alias.this, exp.Parameter):
        match = _VERSION_MARK.match(alias.this.name)
        node.set("alias", None)
        return ["version", int(match[1])] if match else None
    version = node.args.get("version")
    if version is None:
        if node.args.get("when"):
            raise Refused("Time travel is written VERSION AS OF n or TIMESTAMP AS OF 'time'.")
        return None
    value = version.expression
    if version.name.upper() == "VERSION":
        if not isinstance(value, exp.Literal) or not value.name.isdecimal():
            raise Refused("VERSION AS OF needs the number of a version, as in VERSION AS OF 3.")
        return ["version", int(value.name)]
    if isinstance(value, exp.Cast):
        value = value.this
    if not isinstance(value, exp.Literal) or not value.is_string:
        raise Refused("TIMESTAMP AS OF needs a time in quotes, as in TIMESTAMP AS OF '2026-01-31 12:00:00'.")
    return ["timestamp", value.name]


def _table_function(node: exp.Table, scope: Scope) -> None:
    call = node.this
    name = (call.name if isinstance(call, exp.Anonymous) else call.sql_names()[0]).lower()
    if name == "table_changes":
        _table_changes(node, [_constant(each) for each in call.expressions], scope)
    elif name == "range" and 1 <= len(call.expressions) <= 3:
        numbers = [_constant(each) for each in call.expressions]
        if not all(isinstance(number, int) for number in numbers):
            raise Refused("range() takes whole numbers here, as in range(10).")
        rows = exp.select(exp.alias_(exp.column("range"), "id")).from_(
            exp.Table(this=exp.Anonymous(this="range", expressions=[exp.Literal.number(number) for number in numbers]))
        )
        node.replace(exp.Subquery(this=rows, alias=node.args.get("alias") or exp.TableAlias(this=exp.to_identifier("range"))))
    else:
        raise Refused(f"{name[:60]}() cannot stand after FROM here; name a table, or use LATERAL VIEW explode(…).")


def _table_changes(node: exp.Table, values: list[Any], scope: Scope) -> None:
    if not 2 <= len(values) <= 3 or not isinstance(values[0], str):
        raise Refused("table_changes needs a table and versions, as in table_changes('main.default.t', 2, 5).")
    table = scope.full_name([part.strip("`") for part in values[0].split(".")])
    argument = [values[1], values[2] if len(values) == 3 else None]
    scope.find("changes", table, argument)
    node.set("this", exp.to_identifier(scope.relation("changes", table, argument), quoted=True))
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier("table_changes")))


def _constant(node: exp.Expression) -> Any:
    if isinstance(node, exp.Neg):
        value = _constant(node.this)
        return -value if isinstance(value, int) else value
    if not isinstance(node, exp.Literal):
        raise Refused("Functions after FROM take constants here.")
    return node.name if node.is_string else int(node.name) if node.name.isdecimal() else node.name


def resolve_functions(query: exp.Expression, scope: Scope) -> dict[str, Later]:
    """Replace calls of the workspace's own functions and ai_query by marks; fill in who asks."""
    later: dict[str, Later] = {}
    for node in reversed(list(query.find_all(exp.Dot, exp.Anonymous, exp.CurrentUser, exp.SessionUser, *_PLACES))):
        if isinstance(node, exp.CurrentUser | exp.SessionUser):
            _swap(node, exp.Literal.string(scope.user))
        elif isinstance(node, exp.CurrentCatalog):
            _swap(node, exp.Literal.string(scope.catalog))
        elif isinstance(node, exp.CurrentSchema):
            _swap(node, exp.Literal.string(scope.schema))
        elif isinstance(node, exp.Dot):
            parts = _qualified_call(node)
            if parts:
                _replace_call(node, node.expression, parts, scope, later)
        elif _is_own(node):
            _replace_call(node, node, [node.name], scope, later)
    return later


_PLACES = (exp.CurrentCatalog, exp.CurrentSchema)


def _is_own(node: exp.Anonymous) -> bool:
    name = node.name.lower()
    if (isinstance(node.parent, exp.Dot) and node.arg_key == "expression") or isinstance(node.parent, exp.Table | exp.Lateral):
        return False
    if is_mark(name):
        raise Refused(f"[UNRESOLVED_ROUTINE] The function {name}() is not available here.")
    return name not in allowed.UNTYPED and name not in allowed.HINTS


def _qualified_call(node: exp.Dot) -> list[str]:
    """The parts of a.b.f in a.b.f(x); nothing when the dot is something else."""
    if not isinstance(node.expression, exp.Anonymous):
        return []
    parts: list[str] = []
    left: Any = node.this
    while isinstance(left, exp.Dot):
        if not isinstance(left.expression, exp.Identifier):
            return []
        parts.insert(0, left.expression.name)
        left = left.this
    if isinstance(left, exp.Column):
        return [*(part.name for part in left.parts), *parts, node.expression.name]
    return [left.name, *parts, node.expression.name] if isinstance(left, exp.Identifier) else []


def _replace_call(node: exp.Expression, call: exp.Anonymous, parts: list[str], scope: Scope, later: dict[str, Later]) -> None:
    if len(parts) == 1 and parts[0].lower() == "ai_query":
        node.replace(ai_query(call, scope))
        return None
    name = scope.full_name(parts)
    found = scope.find("function", name)
    if found is None:
        return _swap(node, exp.null())
    arguments = _arguments(call, name, found["parameters"])
    if found["language"] == "FEATURE_SPEC":
        raise Refused(f"{name} is a feature spec: it says which features belong together, and SQL cannot call it.")
    if found["language"] == "PYTHON":
        put = scope.used.python.setdefault(json.dumps([name, scope.via]), f"pg_py_{len(scope.used.python)}")
        call = exp.Anonymous(this=put, expressions=arguments)
        return _swap(node, call)
    mark = f"pg_sql_{len(later)}"
    later[mark] = Later(
        name, found["definition"], found["catalog"], found["schema"], tuple(found["parameters"]), str(found["returns"])
    )
    return _swap(node, exp.Anonymous(this=mark, expressions=arguments))


def _swap(node: exp.Expression, put: exp.Expression) -> None:
    """Replace, and keep the output's name: an unnamed output is called as it was written."""
    select = node.parent
    if isinstance(select, exp.Select) and node.arg_key == "expressions":
        written = node.sql(dialect="databricks", normalize_functions="lower", comments=False)[:255]
        put = exp.alias_(put, written, quoted=True)
    node.replace(put)


def _arguments(call: exp.Anonymous, name: str, parameters: Sequence[Any]) -> list[exp.Expression]:
    """One argument for each parameter, in order; named ones and defaults filled in, each cast to its type."""
    given: dict[str, exp.Expression] = {}
    known = [str(parameter[0]).lower() for parameter in parameters]
    for position, value in enumerate(call.expressions):
        if isinstance(value, exp.Kwarg):
            given[value.this.name.lower()] = value.expression
        elif position < len(known):
            given[known[position]] = value
    if len(call.expressions) > len(known) or set(given) - set(known):
        raise Refused(
            f"[WRONG_NUM_ARGS.WITHOUT_SUGGESTION] {name} takes {len(known)} arguments ({', '.join(known)}), not "
            f"{len(call.expressions)}."
        )
    return [_argument(name, parameter, given) for parameter in parameters]


def _argument(name: str, parameter: Sequence[Any], given: dict[str, exp.Expression]) -> exp.Expression:
    label, type_text, default = parameter
    value = given.get(str(label).lower())
    if value is None:
        if default is None:
            raise Refused(f"[REQUIRED_PARAMETER_NOT_FOUND] {name} needs a value for its parameter {label}.")
        from sandbox.sql.dialect.translation import parse

        value = parse(f"SELECT {default}").expressions[0]
    return exp.cast(value.copy(), exp.DataType.build(type_text, dialect="databricks"))


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
