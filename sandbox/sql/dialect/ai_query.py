"""ai_query in a statement: one call of a function that asks the site, and the type that is wanted [docs: ai_query function]."""

from sqlglot import exp

from sandbox.sql.dialect.scope import Scope
from sandbox.sql.refusals import Refused


def ai_query(call: exp.Anonymous, scope: Scope) -> exp.Expression:
    """pg_ai_query(endpoint, request as JSON, parameters as JSON, fail on error), cast to the type that is asked for."""
    positional = [each for each in call.expressions if not isinstance(each, exp.Kwarg)]
    named = {each.this.name.lower(): each.expression for each in call.expressions if isinstance(each, exp.Kwarg)}
    order = ("endpoint", "request", "returntype", "failonerror", "modelparameters")
    values = dict(zip(order, positional, strict=False)) | named
    unknown = set(values) - set(order)
    if unknown or len(positional) > len(order) or not {"endpoint", "request"} <= set(values):
        what = f"{sorted(unknown)[0]} is not supported here. " if unknown else ""
        raise Refused(f"ai_query: {what}It is ai_query(endpoint, request, returnType, failOnError, modelParameters).")
    scope.used.calls_endpoints = True
    fails = values.get("failonerror", exp.true())
    if not isinstance(fails, exp.Boolean):
        raise Refused("ai_query: failOnError is true or false.")
    parameters = values.get("modelparameters", exp.null())
    asked = exp.Anonymous(
        this="pg_ai_query",
        expressions=[values["endpoint"], _as_json(values["request"]), _as_json(parameters), exp.Boolean(this=fails.this)],
    )
    if not fails.this:
        return exp.Anonymous(this="pg_ai_query_answer", expressions=[asked])
    return_type = values.get("returntype")
    if return_type is None:
        return exp.Anonymous(this="pg_ai_query_text", expressions=[asked])
    if not isinstance(return_type, exp.Literal):
        raise Refused("ai_query: returnType is the name of a type in quotes, as in returnType => 'DOUBLE'.")
    return _typed(asked, return_type.name)


def _typed(asked: exp.Expression, type_text: str) -> exp.Expression:
    wanted = exp.DataType.build(type_text, dialect="databricks")
    if wanted.this in {exp.DataType.Type.STRUCT, exp.DataType.Type.ARRAY, exp.DataType.Type.LIST, exp.DataType.Type.MAP}:
        return exp.FromJson(
            this=exp.Anonymous(this="pg_ai_query_json", expressions=[asked]), expression=exp.Literal.string(type_text)
        )
    return exp.cast(exp.Anonymous(this="pg_ai_query_text", expressions=[asked]), wanted)


def _as_json(value: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this="pg_ai_query_request", expressions=[value.copy()])
