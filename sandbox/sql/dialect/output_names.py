"""Names of outputs without an alias, as Spark makes them up: operators in parentheses, texts without quotes, no tables.

[Spark 4.0, Built-in Functions: the headings of the examples' results]
"""

from itertools import islice

from sqlglot import exp

from sandbox.sql.dialect import names

_NAMED: tuple[type[exp.Expression], ...] = (
    exp.Alias,
    exp.Aliases,
    exp.Column,
    exp.Star,
    exp.Explode,
    exp.ExplodeOuter,
    exp.Posexplode,
    exp.PosexplodeOuter,
)
_LONGEST = 255
_MOST_PARTS = 200
"""Of an output that is named so; a larger one is called as it is written, in time that grows with its length only."""
_BARE = (
    exp.Dot,
    exp.JSONExtract,
    exp.JSONExtractScalar,
    exp.Like,
    exp.ILike,
    exp.RegexpLike,
    exp.Escape,
    exp.Kwarg,
    exp.PropertyEQ,
)
"""Binary for the parser, but without parentheses in a name."""


def name_outputs(query: exp.Query) -> None:
    """Give each unnamed output the name that Databricks would show."""
    select: exp.Expression = query
    while not isinstance(select, exp.Select):
        if not isinstance(select, exp.SetOperation | exp.Subquery):
            return
        select = select.this
    for output in list(select.expressions):
        if not isinstance(output, _NAMED):
            output.replace(exp.alias_(output.copy(), names.shown(output_name(output)), quoted=True))


def output_name(output: exp.Expression) -> str:
    """At most 255 characters."""
    if isinstance(output, exp.JSONExtract) and isinstance(output.expression, exp.JSONPath):
        keys = [part.name for part in output.expression.expressions if isinstance(part, exp.JSONPathKey)]
        if keys:
            return str(keys[-1])
    if isinstance(output, exp.Cast) and isinstance(output.this, exp.JSONExtract):
        return output_name(output.this)
    if isinstance(output, exp.Dot):
        return str(output.expression.name)
    shown = exp.Paren(this=output.copy())
    parts = list(islice(shown.this.walk(), _MOST_PARTS + 1))
    for node in reversed(parts) if len(parts) <= _MOST_PARTS else ():
        put = _as_shown(node)
        if put is not node:
            node.replace(put)
    return str(shown.this.sql(dialect="databricks", normalize_functions="lower", comments=False))[:_LONGEST]


def _as_shown(node: exp.Expression) -> exp.Expression:
    """The node, whose parts look as shown already, or what stands for it."""
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.Var(this=node.name)
    if isinstance(node, exp.Boolean):
        return exp.Var(this=str(node.this).lower())
    if isinstance(node, exp.Column):
        return exp.Var(this=node.name) if isinstance(node.this, exp.Identifier) else node
    if isinstance(node, exp.Paren):
        return node.this
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
        return exp.Count(this=exp.Literal.number(1))
    if isinstance(node, exp.CurrentDate | exp.CurrentTimestamp) and not node.this:
        return exp.Anonymous(this=f"current_{'date' if isinstance(node, exp.CurrentDate) else 'timestamp'}")
    if isinstance(node, exp.DPipe):
        return exp.Anonymous(this="concat", expressions=[node.this.copy(), node.expression.copy()])
    if isinstance(node, exp.Between):
        return exp.Anonymous(this="between", expressions=[node.args[part].copy() for part in ("this", "low", "high")])
    return _operator(node)


def _operator(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Subquery):
        return exp.Var(this="scalarsubquery()")
    if isinstance(node, exp.Neg) and not isinstance(node.this, exp.Literal):
        return exp.Var(this=f"(- {_text(node.this)})")
    if isinstance(node, exp.Not):
        inner = node.this.this if isinstance(node.this, exp.Paren) else node.this
        if isinstance(inner, exp.Is):
            return exp.Var(this=f"({_text(inner.this)} IS NOT {_text(inner.expression)})")
        return exp.Paren(this=node.copy())
    is_operator = isinstance(node, exp.Binary) and not isinstance(node, _BARE)
    return exp.Paren(this=node.copy()) if is_operator or isinstance(node, exp.In) else node


def _text(node: exp.Expression) -> str:
    return str(node.sql(dialect="databricks", normalize_functions="lower", comments=False))
