"""Why a statement is not run, and what its errors look like without the machinery behind them."""

import re


class Refused(Exception):
    """The statement is not run; the message is a sentence for the learner."""


_POSITION = re.compile(r"\n+LINE \d+:.*", re.DOTALL)
_PATH = re.compile(r"(?<![\w<])/(?:[\w.@+-]+/)+[\w.@+-]*")
_VIEW = re.compile(r"\bt\d+\b")
_MACRO = re.compile(r"\bpg_(json_text|json_list|from_json|window|unix_seconds)\b")
_MACRO_NAMES = {
    "json_text": "get_json_object",
    "json_list": "get_json_object",
    "from_json": "from_json",
    "window": "window",
    "unix_seconds": "unix_timestamp",
}


def friendly(kind: str, message: str) -> str:
    """The sentence for an error of the engine: `kind` is the name of its class."""
    if kind in {"OutOfMemoryException", "MemoryError"} or "Out of Memory" in message or "could not allocate" in message.lower():
        return "The statement needs more memory than one statement may use. Name only the columns you need, or aggregate."
    if kind == "InterruptException":
        return "The statement took too long and was stopped."
    text = _POSITION.sub("", message)
    text = re.sub(r"^\w[\w ]* Error: ", "", text)
    text = text.split("\n\n")[0].replace("\n", " ")
    text = _PATH.sub("…", text)
    text = _MACRO.sub(lambda match: _MACRO_NAMES[match[1]], text)
    text = _VIEW.sub("the table", text)
    if kind == "BinderException" and "not found in FROM clause" in text:
        return f"[UNRESOLVED_COLUMN] {text}"
    return text[:500].strip() or "The statement failed."
