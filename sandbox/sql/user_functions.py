"""Functions that the site computes for a statement: the workspace's Python functions, and ai_query. In the jail only.

DuckDB calls them with columns of up to 2,048 rows at a time; each call is one question to the site.
"""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from sqlglot import exp

from sandbox.sql.dialect.scope import Scope
from sandbox.sql.dialect_keys import key
from sandbox.sql.function_values import as_json
from sandbox.sql.job import Site
from sandbox.sql.refusals import Refused
from sandbox.sql.results import plain

_AI_QUERY = (
    "CREATE MACRO pg_ai_query_request(r) AS CAST(to_json(r) AS VARCHAR)",
    "CREATE MACRO pg_ai_query_text(a) AS json_extract_string(a, '$.response')",
    "CREATE MACRO pg_ai_query_json(a) AS CAST(json_extract(a, '$.response') AS VARCHAR)",
    'CREATE MACRO pg_ai_query_answer(a) AS json_transform(a, \'{"response":"VARCHAR","errorMessage":"VARCHAR"}\')',
)


def register(connection: Any, scope: Scope, site: Site) -> None:
    """Make the functions that the statement calls known to the engine."""
    for which, name in scope.used.python.items():
        full_name, via = json.loads(which)
        function = scope.objects[key("function", full_name, None, via)]
        types = [_duckdb_type(type_text) for _, type_text, _ in function["parameters"]]
        call = _python_call(site, full_name, via, str(function["returns"]), len(types))
        connection.create_function(name, call, types, _duckdb_type(function["returns"]), type="arrow", null_handling="special",
                                   side_effects=not types)  # fmt: skip
    if scope.used.calls_endpoints:
        types = ["VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN"]
        connection.create_function("pg_ai_query", _ai_query(site), types, "VARCHAR", type="arrow", null_handling="special")
        for macro in _AI_QUERY:
            connection.execute(macro)


def _duckdb_type(type_text: str) -> str:
    return str(exp.DataType.build(type_text, dialect="databricks").sql(dialect="duckdb"))


def _python_call(site: Site, name: str, via: str, returns: str, count: int) -> Callable[..., Any]:
    def call(*columns: Any) -> Any:
        rows = len(columns[0]) if columns else 1
        values = [[as_json(value, plain) for value in column.to_pylist()] for column in columns]
        answer = site.call("python", {"function": name, "via": via, "columns": values, "rows": rows})
        if not isinstance(answer, list) or len(answer) != rows:
            raise Refused(f"{name} gave {len(answer) if isinstance(answer, list) else 'no'} values for {rows} rows.")
        return _typed(answer, returns, name)

    # DuckDB counts the parameters of the function itself
    parameters = ", ".join(f"c{number}" for number in range(count))
    return eval(f"lambda {parameters}: call({parameters})", {"call": call})  # type: ignore[no-any-return]  # noqa: S307


def _typed(values: list[Any], returns: str, name: str) -> Any:
    """The values in the Arrow type that the function promised; text is cast to times and decimals by DuckDB's rules."""
    from sandbox.sql.results import arrow_values

    try:
        return arrow_values(values, returns)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError, TypeError) as error:
        shown = next((value for value in values if value is not None), None)
        raise Refused(f"The function {name} returned {shown!r:.80}, which is no {returns}: {error}") from None


def _ai_query(site: Site) -> Callable[[Any, Any, Any, Any], Any]:
    def call(endpoints: Any, requests: Any, parameters: Any, fails: Any) -> Any:
        rows = list(zip(*(column.to_pylist() for column in (endpoints, requests, parameters, fails)), strict=True))
        return pa.array(
            [None if each is None else json.dumps(each) for each in site.call("ai_query", {"rows": rows})], pa.string()
        )

    return call
