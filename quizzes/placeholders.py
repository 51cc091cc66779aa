"""Placeholders of parameterised items: `{{name}}`, `{{name.part}}` and `{{fact.name}}` in texts and arguments; pure."""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

MAX_COMBINATIONS = 24
"""Each combination is run by `make proofs`."""

_PLACEHOLDER = re.compile(r"\{\{\s*([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)\s*\}\}", re.I)
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


class BadConstraint(ValueError):
    """A constraint that is no comparison of parameters and numbers."""


def names_in(text: str) -> set[str]:
    """The placeholders of a text, such as `share` or `fact.answered_by`."""
    return set(_PLACEHOLDER.findall(text))


def facts_in(texts: Iterable[str]) -> set[str]:
    """Names of the facts that texts show."""
    return {name.removeprefix("fact.") for text in texts for name in names_in(text) if name.startswith("fact.")}


def without_placeholders(text: str) -> str:
    """What the author has written around them."""
    return _PLACEHOLDER.sub("", text)


def fill(text: str, parameters: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The text with values for its placeholders; one without a value stays as it is written."""

    def value(match: re.Match[str]) -> str:
        found = _look_up(match[1], parameters, facts)
        return match[0] if found is _NOTHING else shown(found)

    return _PLACEHOLDER.sub(value, text)


_NOTHING = object()
"""Stands for the value of a placeholder that has none."""


def _look_up(name: str, parameters: Mapping[str, Any], facts: Mapping[str, Any]) -> Any:
    """`fact.name` is a fact; `name` is a parameter and `name.part` a part of one whose values are mappings."""
    base, _, part = name.partition(".")
    if base == "fact":
        return facts.get(part, _NOTHING)
    found = parameters.get(base, _NOTHING)
    if not part:
        return found
    return found.get(part, _NOTHING) if isinstance(found, Mapping) else _NOTHING


def shown(value: Any) -> str:
    """A value as an option shows it: `true`, `null`, 80, 0.5, or the text itself."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(shown(entry) for entry in value)}]"
    return str(value)


def fill_arguments(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Arguments of a program with parameters filled in; a text that is one placeholder takes the value with its type."""
    if isinstance(value, Mapping):
        return {fill(str(name), parameters, {}): fill_arguments(entry, parameters) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [fill_arguments(entry, parameters) for entry in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value.strip())
    found = _look_up(whole[1], parameters, {}) if whole else _NOTHING
    return fill(value, parameters, {}) if found is _NOTHING else found


def combinations(parameters: Mapping[str, Sequence[Any]], constraints: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of values that satisfies the constraints, in the order of the file."""
    names = list(parameters)
    found = (dict(zip(names, values, strict=True)) for values in product(*parameters.values()))
    return [values for values in found if all(holds(constraint, values) for constraint in constraints)]


def holds(constraint: str, values: Mapping[str, Any]) -> bool:
    """Whether a comparison such as `first + second <= 100` is true; raises BadConstraint for anything else."""
    try:
        node = ast.parse(constraint, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise BadConstraint(f"{constraint!r} is no comparison: {error}") from None
    if not isinstance(node, ast.Compare):
        raise BadConstraint(f"{constraint!r} is no comparison; write for example 'first < second'.")
    sides = [_value(side, values, constraint) for side in (node.left, *node.comparators)]
    try:
        return all(_COMPARISONS[type(op)](*pair) for op, pair in zip(node.ops, pairwise(sides), strict=True))
    except (KeyError, TypeError) as error:
        raise BadConstraint(f"{constraint!r} cannot be compared: {error}") from None


def _value(node: ast.expr, values: Mapping[str, Any], constraint: str) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.Name) and node.id in values:
        return values[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        try:
            return _ARITHMETIC[type(node.op)](_value(node.left, values, constraint), _value(node.right, values, constraint))
        except TypeError as error:
            raise BadConstraint(f"{constraint!r} cannot be computed: {error}") from None
    raise BadConstraint(f"{constraint!r}: only parameters, numbers, + - * and comparisons are allowed.")
