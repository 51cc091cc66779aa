"""Commits of Delta tables: one JSON file for each version, written whole, synced, and put in place only if nobody was faster.

delta-rs never calls fsync and names operations its own way, so what we write is written here; everything is read by delta-rs.
"""

import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.catalog.column_types import Column, delta_type

CHANGE_FEED = "delta.enableChangeDataFeed"
APPEND_ONLY = "delta.appendOnly"


class VersionTaken(Exception):
    """Another writer committed this version first."""


@dataclass(frozen=True)
class Commit:
    """What a version says of itself: shown by DESCRIBE HISTORY [Delta protocol: Commit provenance information]."""

    operation: str
    """As Databricks calls it: WRITE, MERGE, CREATE TABLE AS SELECT, SET TBLPROPERTIES, …"""
    by: str
    """Who asked, as the REST API names people."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, int] = field(default_factory=dict)
    is_blind_append: bool = False


def put(path: Path, version: int, commit: Commit, actions: Iterable[dict[str, Any]]) -> None:
    """Make `version` of the table in `path` durable and visible in one step. Raises VersionTaken, then nothing has changed.

    The data files that `actions` name are synced already (`delta_files` does that).
    """
    log = path / "_delta_log"
    if version == 0:
        _make_folders(log)
    unfinished = log / f".{version:020}.{secrets.token_hex(8)}.tmp"
    try:
        with unfinished.open("wb") as file:
            for action in ({"commitInfo": _info(commit, version)}, *actions):
                file.write(json.dumps(action, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, log / f"{version:020}.json")
        except FileExistsError:
            raise VersionTaken(f"version {version} exists") from None
    finally:
        unfinished.unlink(missing_ok=True)
    sync(log)


def protocol(columns: Iterable[Column]) -> dict[str, Any]:
    """The lowest protocol that has all that our tables may use [Delta protocol: Table features]."""
    if any("timestamp_ntz" in column.type_text for column in columns):
        features = ["appendOnly", "invariants", "changeDataFeed", "timestampNtz"]
        return {
            "protocol": {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["timestampNtz"],
                "writerFeatures": features,
            }
        }
    return {"protocol": {"minReaderVersion": 1, "minWriterVersion": 4}}


def metadata(table_id: str, columns: Iterable[Column], configuration: Mapping[str, str]) -> dict[str, Any]:
    schema = {"type": "struct", "fields": [_field(column) for column in columns]}
    return {
        "metaData": {
            "id": table_id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(schema),
            "partitionColumns": [],
            "configuration": dict(configuration),
            "createdTime": now_ms(),
        }
    }


def add(name: str, size_bytes: int, rows: int) -> dict[str, Any]:
    stats = json.dumps({"numRecords": rows})
    return {
        "add": {
            "path": name,
            "partitionValues": {},
            "size": size_bytes,
            "modificationTime": now_ms(),
            "dataChange": True,
            "stats": stats,
        }
    }


def remove(name: str, size_bytes: int, rows: int) -> dict[str, Any]:
    return {
        "remove": {
            "path": name,
            "deletionTimestamp": now_ms(),
            "dataChange": True,
            "extendedFileMetadata": True,
            "partitionValues": {},
            "size": size_bytes,
            "stats": json.dumps({"numRecords": rows}),
        }
    }


def change(name: str, size_bytes: int) -> dict[str, Any]:
    """A file of the change data feed, below `_change_data`."""
    return {"cdc": {"path": name, "partitionValues": {}, "size": size_bytes, "dataChange": False}}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def sync(path: Path) -> None:
    """fsync a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(log: Path) -> None:
    """The folder of a new table, entered durably in the workspace's folder and that one in the root."""
    log.mkdir(parents=True, exist_ok=True)
    for folder in list(log.parents)[:4]:
        sync(folder)


def _field(column: Column) -> dict[str, Any]:
    extra = {"comment": column.comment} if column.comment else {}
    return {"name": column.name, "type": delta_type(column.type_text), "nullable": column.nullable, "metadata": extra}


def _info(commit: Commit, version: int) -> dict[str, Any]:
    return {
        "timestamp": now_ms(),
        "userName": commit.by,
        "operation": commit.operation,
        "operationParameters": {name: _text(value) for name, value in commit.parameters.items()},
        "operationMetrics": {name: str(value) for name, value in commit.metrics.items()},
        "isolationLevel": "WriteSerializable",
        "isBlindAppend": commit.is_blind_append,
        **({"readVersion": version - 1} if version else {}),
        "engineInfo": "Proving-Ground",
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
