"""MLflow's filter strings, orders and page tokens for registered models and versions, as database queries."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, Model, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform

from sandbox.catalog.models import ModelVersion, Securable, Tag
from sandbox.errors import InvalidParameterValue

Row = TypeVar("Row", bound=Model)
Condition = Callable[["Comparison"], Any]

MAX_FILTER_CHARACTERS, MAX_COMPARISONS = 5_000, 20
IS_PROMPT = "mlflow.prompt.is_prompt"
"""Clients ask for models that are no prompts with this tag, which models do not have."""
_COMPARISON = re.compile(
    r"""\s*(?P<key>(?:\w+\.)?(?:`[^`]+`|"[^"]+"|[\w./-]+))
    \s*(?P<operator>!=|>=|<=|=|>|<|\bNOT\s+IN\b|\bIN\b|\bILIKE\b|\bLIKE\b)
    \s*(?P<value>'(?:[^']|'')*'|"[^"]*"|\([^()]*\)|\d{1,15})\s*(?P<more>\bAND\b|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED = re.compile(r"'((?:[^']|'')*)'|\"([^\"]*)\"")
_ORDER = re.compile(r"\s*(?:attributes?\.)?`?(\w+)`?(?:\s+(ASC|DESC))?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """One comparison of a filter: `is_tag` says what `key` names; `value` is a text, a number or a list of texts."""

    key: str
    is_tag: bool
    operator: str
    value: Any

    def refused(self, words: str) -> InvalidParameterValue:
        return InvalidParameterValue(f"Invalid filter: '{self.key} {self.operator}' {words}")


def parse(filter_string: str) -> list[Comparison]:
    """The comparisons, which all have to hold. Raises InvalidParameterValue."""
    if len(filter_string) > MAX_FILTER_CHARACTERS:
        raise InvalidParameterValue(f"The filter has {len(filter_string)} characters; at most {MAX_FILTER_CHARACTERS} are read.")
    comparisons: list[Comparison] = []
    position, more = 0, bool(filter_string.strip())
    while more:
        match = _COMPARISON.match(filter_string, position)
        if match is None or len(comparisons) >= MAX_COMPARISONS:
            raise InvalidParameterValue(
                f"Invalid clause(s) in filter string: '{filter_string[position : position + 100].strip()}'. It takes comparisons "
                "such as name = 'main.default.churn', name LIKE '%churn%' or tags.team = 'retention', joined by AND."
            )
        comparisons.append(_comparison(match))
        position, more = match.end(), bool(match["more"])
    return comparisons


def _comparison(match: re.Match[str]) -> Comparison:
    entity, _, key = match["key"].rpartition(".") if not match["key"].endswith("`") else _of_backticks(match["key"])
    if entity.lower() in {"tag", "tags"}:
        is_tag = True
    elif entity.lower() in {"", "attribute", "attributes"}:
        is_tag = False
    else:  # a tag's key may hold periods of its own
        entity, _, key = match["key"].partition(".")
        is_tag = entity.lower() in {"tag", "tags"}
        if not is_tag:
            raise InvalidParameterValue(f"Invalid entity type '{entity}' in filter. Valid ones are attribute and tag.")
    operator = " ".join(match["operator"].upper().split())
    return Comparison(key.strip('`"'), is_tag, operator, _value(match["value"]))


def _of_backticks(key: str) -> tuple[str, str, str]:
    entity, dot, quoted = key.partition(".") if not key.startswith("`") else ("", "", key)
    return entity, dot, quoted


def _value(text: str) -> Any:
    if text[0] == "(":
        return [_unquoted(each) for each in _QUOTED.finditer(text)]
    quoted = _QUOTED.fullmatch(text)
    return _unquoted(quoted) if quoted else int(text)


def _unquoted(match: re.Match[str]) -> str:
    return match[1].replace("''", "'") if match[1] is not None else match[2]


# --- conditions ---------------------------------------------------------------------------------------


def filter_models(models: QuerySet[Securable], filter_string: str) -> QuerySet[Securable]:
    """Raises InvalidParameterValue for attributes other than `name` and tags."""
    for each in parse(filter_string):
        if each.is_tag:
            models = models.filter(_model_tag(each))
        elif each.key == "name":
            models = models.filter(_text(F("full_name"), _in_kept_form(each)))
        else:
            raise each.refused("is not known. Models are found by name and tags.")
    return models


def filter_versions(versions: QuerySet[ModelVersion], filter_string: str) -> QuerySet[ModelVersion]:
    """Raises InvalidParameterValue for attributes other than `name`, `version_number`, `run_id`, `source_path` and tags."""
    fields = {"run_id": F("run_id"), "source_path": F("source")}
    for each in parse(filter_string):
        if each.is_tag:
            versions = _version_tag(versions, each)
        elif each.key == "name":
            versions = versions.filter(_text(F("registered_model__full_name"), _in_kept_form(each)))
        elif each.key == "version_number":
            versions = versions.filter(_number("version", each))
        elif each.key in fields:
            versions = versions.filter(_text(fields[each.key], each))
        else:
            raise each.refused("is not known. Versions are found by name, version_number, run_id, source_path and tags.")
    return versions


def _in_kept_form(each: Comparison) -> Comparison:
    """Names of three levels are kept in lower case, whatever a client writes."""
    if each.operator in {"LIKE", "ILIKE"}:
        return each
    lowered = [_kept(v) for v in each.value] if isinstance(each.value, list) else _kept(each.value)
    return Comparison(each.key, each.is_tag, each.operator, lowered)


def _kept(name: Any) -> Any:
    return name.lower() if isinstance(name, str) and "." in name else name


def _model_tag(each: Comparison) -> Any:
    tags = Tag.objects.filter(securable=OuterRef("pk"), column="", key=each.key)
    found = Q(Exists(tags.filter(_text(F("value"), each))))
    return found | ~Q(Exists(tags)) if _holds_without(each) else found


def _version_tag(versions: QuerySet[ModelVersion], each: Comparison) -> QuerySet[ModelVersion]:
    has_key = Q(tags__has_key=each.key)
    if _holds_without(each):
        return versions.filter(~has_key | _text(KeyTextTransform(each.key, "tags"), each))
    return versions.filter(has_key, _text(KeyTextTransform(each.key, "tags"), each))


def _holds_without(each: Comparison) -> bool:
    return each.key == IS_PROMPT and (each.operator, each.value) in {("!=", "true"), ("=", "false")}


def _text(expression: Any, each: Comparison) -> Q:
    value = each.value
    if each.operator in {"IN", "NOT IN"}:
        if not isinstance(value, list) or not value:
            raise each.refused("needs a list of quoted texts, such as ('a', 'b').")
        found = Q(_Compared(expression, Value(value[0])))
        for other in value[1:]:
            found |= Q(_Compared(expression, Value(other)))
        return ~found if each.operator == "NOT IN" else found
    if not isinstance(value, str):
        raise each.refused("needs a quoted text, such as 'my-value'.")
    if each.operator in {"LIKE", "ILIKE"}:
        return Q(_like(expression, value, each.operator))
    if each.operator not in {"=", "!="}:
        raise each.refused("is not possible. Texts are compared with =, !=, LIKE, ILIKE and IN.")
    equal = Q(_Compared(expression, Value(value)))
    return ~equal if each.operator == "!=" else equal


def _number(field: str, each: Comparison) -> Q:
    lookups = {"=": "exact", "!=": "exact", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
    text = each.value if isinstance(each.value, str) else str(each.value)
    if each.operator not in lookups or not text.isascii() or not text.isdigit() or len(text) > 15:
        raise each.refused("needs a whole number.")
    found = Q(**{f"{field}__{lookups[each.operator]}": int(text)})
    return ~found if each.operator == "!=" else found


class _Compared(Func):
    """`left <operator> right` as a condition."""

    template, arg_joiner = "(%(expressions)s)", " = "
    output_field: Any = BooleanField()


def _like(expression: Combinable, pattern: str, operator: str) -> Func:
    """% and _ as in SQL; LIKE minds the case, ILIKE does not. Both databases match in time linear in the text for each %."""
    condition = _Compared(expression, Value(pattern))
    if connection.vendor == "sqlite" and operator == "LIKE":
        condition = _Compared(expression, Value(_glob(pattern)))
        condition.extra["arg_joiner"] = " GLOB "
    elif connection.vendor == "sqlite":
        condition.extra["arg_joiner"] = " LIKE "
    else:
        condition.extra.update(arg_joiner=f" {operator} ", template="(%(expressions)s ESCAPE '')")
    return condition


def _glob(pattern: str) -> str:
    """The same pattern for SQLite's GLOB, the comparison of it that minds the case."""
    escaped = re.sub(r"([*?\[])", r"[\1]", pattern)
    return escaped.replace("%", "*").replace("_", "?")


# --- order and pages ----------------------------------------------------------------------------------

MODEL_ORDER = {
    "name": "full_name",
    "creation_timestamp": "created_at",
    "last_updated_timestamp": "updated_at",
    "timestamp": "updated_at",
}
VERSION_ORDER = {
    "name": "registered_model__full_name",
    "version_number": "version",
    "creation_timestamp": "created_at",
    "last_updated_timestamp": "updated_at",
}


def order(clauses: Sequence[str], fields: dict[str, str], default: Sequence[str], ties: Sequence[str]) -> list[str]:
    """Django's order_by for MLflow's. Raises InvalidParameterValue for a field that nothing is ordered by."""
    found = []
    for clause in clauses[:10]:
        match = _ORDER.fullmatch(clause)
        if match is None or match[1].lower() not in fields:
            raise InvalidParameterValue(
                f"Invalid order_by clause '{clause[:100]}'. It takes one of {', '.join(fields)}, with ASC or DESC."
            )
        found.append(("-" if (match[2] or "").upper() == "DESC" else "") + fields[match[1].lower()])
    chosen = found or list(default)
    named = {each.lstrip("-") for each in chosen}
    return [*chosen, *(each for each in ties if each.lstrip("-") not in named)]


def page(rows: QuerySet[Row], size: int, token: str) -> tuple[list[Row], str]:
    """One page and the token of the next; an empty token after the last one. Raises InvalidParameterValue for a bad token."""
    start = _start(token)
    found = list(rows[start : start + size + 1])
    return found[:size], _token(start + size) if len(found) > size else ""


def page_size(asked: str | int | None, default: int, most: int, *, zero_is_default: bool = False) -> int:
    """Raises InvalidParameterValue for what is no number or below 1 (0 may stand for the default)."""
    text = str(asked) if asked not in (None, "") else str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 12 or (int(text) == 0 and not zero_is_default):
        raise InvalidParameterValue(f"Invalid value '{text[:40]}' for max_results: it must be a whole number from 1 on.")
    return min(int(text) or default, most)


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode()


def _start(token: str) -> int:
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii") if token else "0"
    except (binascii.Error, ValueError):
        text = ""
    if not text.isdigit() or len(text) > 12:
        raise InvalidParameterValue(f"Invalid page_token '{token[:60]}'. Send the next_page_token of the page before.")
    return int(text)
