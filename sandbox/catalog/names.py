"""Names of Unity Catalog objects: how they are written, read and compared."""

import re

from sandbox.errors import InvalidParameterValue

MAX_NAME_CHARACTERS = 255
_FORBIDDEN = re.compile(r"[./\x00-\x20\x7f]")
_PART = re.compile(r"`((?:[^`]|``)+)`|([^.`]+)")


def checked_name(name: str, what: str = "name") -> str:
    """One part of a name in the form that is kept: lower case [docs: Names, SQL language reference].

    Raises InvalidParameterValue: empty, longer than 255 characters, or with a period, a space, a slash or a control character.
    """
    if not name or len(name) > MAX_NAME_CHARACTERS or _FORBIDDEN.search(name):
        raise InvalidParameterValue(
            f"'{name[:100]}' is not a valid {what}: it needs 1 to {MAX_NAME_CHARACTERS} characters without "
            "periods, spaces, slashes and control characters."
        )
    return name.lower()


def split_name(full_name: str, parts: int, what: str = "object") -> tuple[str, ...]:
    """The parts of a full name, each checked; a part may stand in backticks.

    Raises InvalidParameterValue when it has not exactly `parts` parts. For three: the message has the words "specify all three
    levels", which MLflow looks for.
    """
    found = _parts(full_name)
    if len(found) != parts:
        levels = {1: "one level", 2: "catalog and schema", 3: "catalog, schema and name; specify all three levels"}[parts]
        raise InvalidParameterValue(
            f"'{full_name[:200]}' is not a valid name of a {what}: it needs {levels}, separated by periods."
        )
    return tuple(checked_name(part, f"part of the name of a {what}") for part in found)


def _parts(full_name: str) -> list[str]:
    parts: list[str] = []
    position = 0
    while position <= len(full_name):
        match = _PART.match(full_name, position)
        if match is None:
            return []
        parts.append(match[1].replace("``", "`") if match[1] is not None else match[2])
        position = match.end()
        if position == len(full_name):
            return parts
        if full_name[position] != ".":
            return []
        position += 1
    return []
