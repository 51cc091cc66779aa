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


def friendly(kind: str, message: str) -> tuple[str, str]:
    """Error code (as in the SDK's ServiceErrorCode) and sentence for an error of the engine; `kind` is the name of its class."""
    if kind in {"OutOfMemoryException", "MemoryError"} or "could not allocate" in message.lower():
        return (
            "RESOURCE_EXHAUSTED",
            "The statement needs more memory than one statement may use. Name only the columns that you need.",
        )
    if kind == "InterruptException":
        return "DEADLINE_EXCEEDED", "The statement took too long and was stopped."
    if "expression depth" in message:
        return "BAD_REQUEST", "The statement is nested too deeply."
    text = _POSITION.sub("", message)
    text = re.sub(r"^\w[\w ]* Error: ", "", text)
    text = re.split(r"\n\n|\n?\tCandidate functions", text)[0].replace("\n", " ")
    text = _PATH.sub("…", text)
    text = _MACRO.sub(lambda match: _MACRO_NAMES[match[1]], text)
    text = _VIEW.sub("the table", text)
    if kind == "BinderException" and "not found in FROM clause" in text:
        text = f"[UNRESOLVED_COLUMN] {text}"
    return "BAD_REQUEST", text[:500].strip() or "The statement failed."
