"""The history of a Delta table: who changed it when and how, and which version was the newest at a moment."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.catalog import delta
from sandbox.errors import InvalidParameterValue


@dataclass(frozen=True)
class HistoryEntry:
    """One version as DESCRIBE HISTORY shows it."""

    version: int
    timestamp: dt.datetime
    user_name: str
    operation: str
    operation_parameters: dict[str, str]
    operation_metrics: dict[str, str]
    is_blind_append: bool


def history(folder: Path, limit: int | None = None) -> list[HistoryEntry]:
    """Newest first."""
    return [_entry(info) for info in delta.open_table(folder).history(limit)]


def version_at(folder: Path, moment: dt.datetime) -> int:
    """The version that was the newest at a moment. Raises InvalidParameterValue before the first."""
    entries = history(folder)
    found = next((entry.version for entry in entries if entry.timestamp <= moment), None)
    if found is None:
        first = entries[-1].timestamp.isoformat(sep=" ", timespec="milliseconds")
        raise InvalidParameterValue(
            f"[DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION] The provided timestamp ({moment.isoformat(sep=' ')}) is before "
            f"the earliest version available to this table ({first})."
        )
    return found


def _entry(info: dict[str, Any]) -> HistoryEntry:
    return HistoryEntry(
        version=int(info["version"]),
        timestamp=dt.datetime.fromtimestamp(info["timestamp"] / 1000, dt.UTC),
        user_name=str(info.get("userName", "")),
        operation=str(info.get("operation", "")),
        operation_parameters={name: str(value) for name, value in (info.get("operationParameters") or {}).items()},
        operation_metrics={name: str(value) for name, value in (info.get("operationMetrics") or {}).items()},
        is_blind_append=bool(info.get("isBlindAppend", False)),
    )
