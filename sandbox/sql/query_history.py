"""The history of statements in the shape of the Query History API [SDK 0.156: QueryHistoryAPI]."""

from collections.abc import Mapping
from typing import Any

from sandbox.errors import InvalidParameterValue
from sandbox.sql import live_statements, statements
from sandbox.sql.warehouses import WAREHOUSE_ID
from sandbox.workspaces.members import Caller

_STATES = {live_statements.SUCCEEDED: "FINISHED", live_statements.FAILED: "FAILED", live_statements.CANCELED: "CANCELED"}


def page(
    caller: Caller, filters: Mapping[str, Any], *, include_metrics: bool, max_results: int, page_token: str
) -> dict[str, Any]:
    """ListQueriesResponse, the last one first; an admin sees everybody's statements.

    `filters` are those of the address: `filter_by.statuses` and others, with dots.
    """
    found = [_shown(entry, include_metrics) for entry in statements.history(caller, everybody=True)]
    found = [entry for entry in found if _fits(entry, filters)]
    start = int(page_token) if page_token.isdecimal() and len(page_token) < 10 else 0
    shown = found[start : start + max_results]
    has_more = start + max_results < len(found)
    return {"res": shown, "has_next_page": has_more, **({"next_page_token": str(start + max_results)} if has_more else {})}


def _fits(entry: dict[str, Any], filters: Mapping[str, Any]) -> bool:
    def wanted(name: str) -> list[str]:
        values = filters.getlist(f"filter_by.{name}") if hasattr(filters, "getlist") else []
        return [str(value) for value in values]

    one_of = {"statuses": "status", "user_ids": "user_id", "warehouse_ids": "warehouse_id", "statement_ids": "query_id"}
    if any((values := wanted(name)) and str(entry[key]) not in values for name, key in one_of.items()):
        return False
    began = entry["query_start_time_ms"]
    first, last = (_moment_ms(wanted(f"query_start_time_range.{end}_time_ms")) for end in ("start", "end"))
    return (first is None or began >= first) and (last is None or began <= last)


def _moment_ms(values: list[str]) -> int | None:
    if not values:
        return None
    if not values[0].isascii() or not values[0].isdigit() or len(values[0]) > 18:
        raise InvalidParameterValue(f"filter_by.query_start_time_range takes milliseconds since 1970, not '{values[0][:60]}'.")
    return int(values[0])


def _shown(entry: dict[str, Any], include_metrics: bool) -> dict[str, Any]:
    ended_ms = entry["submitted_ms"] + entry["duration_ms"]
    shown = {
        "query_id": entry["statement_id"],
        "status": _STATES[entry["state"]],
        "query_text": entry["text"],
        "query_start_time_ms": entry["submitted_ms"],
        "execution_end_time_ms": ended_ms,
        "query_end_time_ms": ended_ms,
        "duration": entry["duration_ms"],
        "user_id": entry["user_id"],
        "user_name": entry["user"],
        "executed_as_user_id": entry["user_id"],
        "executed_as_user_name": entry["user"],
        "warehouse_id": WAREHOUSE_ID,
        "endpoint_id": WAREHOUSE_ID,
        "rows_produced": entry["rows"],
        "is_final": True,
        **({"statement_type": entry["statement_type"]} if entry["statement_type"] else {}),
        **({"error_message": entry["error"]} if entry["error"] else {}),
    }
    if include_metrics:
        shown["metrics"] = {"total_time_ms": entry["duration_ms"], "rows_produced_count": entry["rows"]}
    return shown
