"""An invocation as SQL: `ai_query`, as the SQL tab of Databricks' own query panel shows it [docs: ai_query page]."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
NOT_COLUMNS = "-- ai_query hands a model named columns; the body on the left is a tensor.\n-- Send it over REST or with the SDK."


def sql_sample(endpoint: str, task: str, body: Json) -> str:
    """One row of the body as a statement."""
    if task.startswith("llm/"):
        return f"SELECT ai_query(\n  {_literal(endpoint)},\n  {_literal(_prompt(body))}\n) AS answer"
    row = _first_row(body)
    if row is None:
        return NOT_COLUMNS
    fields = ",\n".join(f"    {_literal(name)}, {_literal(value)}" for name, value in row.items())
    return f"SELECT ai_query(\n  {_literal(endpoint)},\n  request => named_struct(\n{fields}\n  )\n) AS prediction"


def _prompt(body: Json) -> str:
    messages = body.get("messages")
    if messages:
        return str(messages[-1].get("content", ""))
    texts = body.get("input", body.get("prompt", ""))
    return str(texts[0] if isinstance(texts, list) and texts else texts)


def _first_row(body: Json) -> Json | None:
    """None when the body is no table."""
    records = body.get("dataframe_records")
    if isinstance(records, list) and records and isinstance(records[0], dict):
        return records[0]
    frame = body.get("dataframe_split")
    if isinstance(frame, dict) and frame.get("columns") and frame.get("data"):
        return dict(zip(frame["columns"], frame["data"][0], strict=False))
    return None


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"array({', '.join(_literal(item) for item in value)})"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
