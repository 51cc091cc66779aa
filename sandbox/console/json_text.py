"""JSON for reading: objects over several lines, lists of plain values on one line, or wrapped where they are long."""

import json
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
    """On one line, or as many values on each line as fit."""
    one_line = f"[{', '.join(_plain(item) for item in items)}]"
    if len(margin) + len(one_line) <= LINE_CHARACTERS:
        return one_line
    inner = margin + STEP
    lines = [inner]
    for position, item in enumerate(items):
        text = _plain(item) + ("," if position < len(items) - 1 else "")
        if lines[-1] == inner:
            lines[-1] += text
        elif len(lines[-1]) + 1 + len(text) <= LINE_CHARACTERS:
            lines[-1] += f" {text}"
        else:
            lines.append(inner + text)
    return "[\n" + "\n".join(lines) + f"\n{margin}]"


def _nested(items: list[Any], margin: str) -> str:
    inner = margin + STEP
    return "[\n" + ",\n".join(inner + readable(item, inner) for item in items) + f"\n{margin}]"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
