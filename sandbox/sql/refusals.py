"""Why a statement is not run, and what its errors look like without the machinery behind them."""

import re


class Refused(Exception):
    """The statement is not run; the message is a sentence for the learner, the code as in the SDK's ServiceErrorCode."""

    def __init__(self, message: str, error_code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.error_code = error_code


_POSITION = re.compile(r"\n+LINE \d+:.*", re.DOTALL)
_PATH = re.compile(r"(?<![\w<])/(?:[\w.@+-]+/)+[\w.@+-]*")
_VIEW = re.compile(r"\bt\d+\b")
_MACRO = re.compile(r"\bpg_(json_text|json_list|from_json|window|unix_seconds|divide|remainder|quotient|ai_query)\b")
_MACRO_NAMES = {
    "json_text": "get_json_object",
    "json_list": "get_json_object",
    "from_json": "from_json",
    "window": "window",
    "unix_seconds": "unix_timestamp",
    "divide": "/",
    "remainder": "%",
    "quotient": "div",
    "ai_query": "ai_query",
}
_CLASSES = (
    (
        re.compile(
            r"Could not convert|Conversion failed|Could not cast|date field value out of range|invalid timestamp|invalid date"
        ),
        "CAST_INVALID_INPUT",
    ),
    (re.compile(r"out of range|Overflow"), "ARITHMETIC_OVERFLOW"),
    (re.compile(r"must appear in the GROUP BY clause"), "MISSING_AGGREGATION"),
    (re.compile(r"Ambiguous reference"), "AMBIGUOUS_REFERENCE"),
    (re.compile(r"No function matches|Cannot (?:mix|compare|combine)|Could not choose"), "DATATYPE_MISMATCH"),
    (re.compile(r"more than one row returned by a subquery|Scalar subquery", re.IGNORECASE), "SCALAR_SUBQUERY_TOO_MANY_ROWS"),
)
"""Error classes of Databricks for what the engine says [docs: Error conditions in Databricks]."""
_MISSING_COLUMN = re.compile(
    r'(?:Referenced column|does not have a column named) "([^"]*)"(?: was)?(?: not found)?[^:]*(?:: (.*))?', re.DOTALL
)
_UDF = re.compile(r"Python exception occurred while executing the UDF: (?:\w+: )?")
_OWN = re.compile(r"\[(?:[A-Z_]+\.?)+\] .*", re.DOTALL)


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
    text = _POSITION.sub("", _UDF.sub("", message))
    text = re.sub(r"^\w[\w ]* Error: ", "", text)
    text = re.split(r"\n\n|\n?\tCandidate functions", text)[0].replace("\n", " ")
    text = _PATH.sub("…", text)
    text = _MACRO.sub(lambda match: _MACRO_NAMES[match[1]], text)
    text = text.replace("__pg_", "")
    text = _VIEW.sub("the table", text)
    if (own := _OWN.search(text)) is not None:  # raised by a macro or function of ours
        text = own[0]
    elif (missing := _MISSING_COLUMN.search(text)) is not None:
        text = _unresolved(missing[1], missing[2])
    else:
        text = next((f"[{name}] {text}" for pattern, name in _CLASSES if pattern.search(text)), text)
    return "BAD_REQUEST", text[:500].strip() or "The statement failed."


def _unresolved(column: str, candidates: str | None) -> str:
    """As Databricks words it [docs: UNRESOLVED_COLUMN error class]."""
    sentence = f"A column, variable, or function parameter with name `{column}` cannot be resolved."
    names = re.findall(r'"([^"]+)"', candidates or "")
    if not names:
        return f"[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] {sentence} SQLSTATE: 42703"
    meant = ", ".join(f"`{name.rpartition('.')[2]}`" for name in names)
    return f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] {sentence} Did you mean one of the following? [{meant}]. SQLSTATE: 42703"
