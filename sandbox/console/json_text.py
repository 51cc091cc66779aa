"""JSON for reading: objects over several lines, lists of plain values on one line, or wrapped where they are long."""

import json
import textwrap
from typing import Any

STEP = "  "
LINE_CHARACTERS = 88


def readable(value: Any, margin: str = "") -> str:
    """The same value as `json.dumps` writes, laid out for people."""
    if isinstance(value, dict) and value:
        inner = margin + STEP
        lines = [f"{inner}{_plain(str(name))}: {readable(item, inner)}" for name, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return _flat(value, margin) if _is_flat(value) else _nested(value, margin)
    return _plain(value)


def _is_flat(items: list[Any]) -> bool:
    return not any(isinstance(item, dict | list) and item for item in items)


def _flat(items: list[Any], margin: str) -> str:
    one_line = f"[{', '.join(_plain(item) for item in items)}]"
    if len(margin) + len(one_line) <= LINE_CHARACTERS:
        return one_line
    if any(isinstance(item, str) for item in items):  # a text may hold spaces, at which wrapping would break it
        return _nested(items, margin)
    inner = margin + STEP
    wrapped = textwrap.fill(
        one_line[1:-1], LINE_CHARACTERS, initial_indent=inner, subsequent_indent=inner, break_long_words=False
    )
    return f"[\n{wrapped}\n{margin}]"


def _nested(items: list[Any], margin: str) -> str:
    inner = margin + STEP
    return "[\n" + ",\n".join(inner + readable(item, inner) for item in items) + f"\n{margin}]"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
