"""Names in plans: the parts that are missing are filled in from where the statement stands."""

from sandbox.sql.dialect.reader import Reader
from sandbox.sql.dialect.scope import Scope, require_no_periods
from sandbox.sql.refusals import Refused

KINDS = ("CATALOG", "SCHEMA", "DATABASE", "TABLE", "VIEW", "VOLUME", "FUNCTION", "MODEL")
_LEVELS = {"CATALOG": 1, "SCHEMA": 2}


def plan_kind(word: str) -> str:
    """TABLE for VIEW, SCHEMA for DATABASE."""
    return {"DATABASE": "SCHEMA", "VIEW": "TABLE"}.get(word, word)


def kind_and_name(reader: Reader, scope: Scope) -> tuple[str, str]:
    """A word such as TABLE and the full name after it; without the word it is a table."""
    kind = plan_kind(reader.accept_one(*KINDS) or "TABLE")
    return kind, full_name(kind, reader.name(), scope)


def full_name(kind: str, parts: list[str], scope: Scope) -> str:
    """The whole name in lower case; no parts at all stand for the catalog or schema that the statement is in."""
    levels = _LEVELS.get(kind, 3)
    if len(parts) > levels:
        raise Refused(f"{'.'.join(parts)[:200]} is not the name of a {kind.lower()}: it has more than {levels} parts.")
    require_no_periods(parts)
    defaults = [scope.catalog, scope.schema][: max(0, levels - len(parts))]
    return ".".join(part.lower() for part in [*defaults, *parts])
