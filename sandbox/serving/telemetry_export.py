"""Moves what served models log, and once a minute what was measured of them, into the tables that `telemetry_config` names.

Log records are delivered at least once, as there: what was written is struck off afterwards. A table that was dropped is not made
again [docs: Persist custom model serving data to Unity Catalog, Limitations], so what was meant for it is lost.
"""

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from django.db.models import F, Q

from sandbox import service_logs
from sandbox.catalog import delta, tables
from sandbox.catalog.column_types import Column, arrow_schema
from sandbox.catalog.delta_log import Commit
from sandbox.catalog.models import Securable
from sandbox.connections import redis_client
from sandbox.errors import ApiError
from sandbox.service_logs import LogRecord, TelemetryEntry
from sandbox.serving import metrics_export, operations, telemetry
from sandbox.serving.models import Endpoint, ServedEntity
from sandbox.serving.telemetry import LOGS, METRICS
from sandbox.serving.telemetry_tables import COLUMNS

log = logging.getLogger(__name__)
ENTRIES_AT_ONCE = 500
LOCK, LOCKED_FOR_S = "telemetry:exporting", 120
MINUTE_S = 60
WRITER = "model-serving"
Row = dict[str, Any]
Rows = dict[tuple[str, str], list[Row]]
"""(id of the table, signal) -> its rows."""
_SEVERITIES = {"DEBUG": "DEBUG", "INFO": "INFO", "WARNING": "WARN", "ERROR": "ERROR", "CRITICAL": "FATAL"}
"""Python's levels -> OpenTelemetry's [opentelemetry.io: logs data model, appendix B]."""


def export() -> None:
    """One round; a second one at the same time returns at once."""
    redis = redis_client()
    endpoints = follow()
    if not endpoints and not redis.xlen(service_logs.TELEMETRY_STREAM):
        return
    if not redis.set(LOCK, "1", nx=True, ex=LOCKED_FOR_S):
        return
    try:
        export_logs()
        export_metrics(endpoints, time.time())
    finally:
        redis.delete(LOCK)


def follow() -> list[Endpoint]:
    """Have replicas hand on what their models log where a table for it is configured. Returns the endpoints with telemetry."""
    endpoints = list(Endpoint.objects.exclude(telemetry_config={}).select_related("workspace"))
    logged = [endpoint for endpoint in endpoints if LOGS in telemetry.table_ids(endpoint.telemetry_config)]
    shown = Q(config__config_version=F("config__endpoint__active_version")) | Q(
        config__config_version=F("config__endpoint__pending_version")
    )
    entities = ServedEntity.objects.filter(shown, config__endpoint__in=logged) if logged else ServedEntity.objects.none()
    service_logs.export_only(redis_client(), entities.values_list("id", flat=True))
    return endpoints


def export_logs() -> None:
    """Everything that waits."""
    redis = redis_client()
    while entries := service_logs.telemetry_entries(redis, ENTRIES_AT_ONCE):
        _write(_rows_of_logs(entries))
        service_logs.telemetry_done(redis, entries)


def export_metrics(endpoints: Iterable[Endpoint], now_s: float) -> None:
    """The last whole minute of each endpoint, unless it was written before."""
    redis, minute_s = redis_client(), int(now_s // MINUTE_S - 1) * MINUTE_S
    for endpoint in endpoints:
        table_id = telemetry.table_ids(endpoint.telemetry_config).get(METRICS)
        if table_id and redis.set(f"telemetry:minute:{endpoint.id}:{minute_s}", "1", nx=True, ex=10 * MINUTE_S):
            whole = operations.get_endpoint(endpoint.workspace, endpoint.name)
            rows = [row for reading in metrics_export.readings(whole, now_s) for row in _measured(reading, minute_s)]
            _write({(table_id, METRICS): rows})


def _write(rows: Rows) -> None:
    tables_there = Securable.objects.select_related("table", "workspace").in_bulk([table_id for table_id, _ in rows])
    for (table_id, signal), found in rows.items():
        if table_id not in tables_there:
            continue
        schema = arrow_schema([Column(name, type_text) for name, type_text in COLUMNS[signal].items()])
        commit = Commit("STREAMING UPDATE", WRITER, {"mode": "Append"})
        try:
            delta.append(tables.folder_of(tables_there[table_id]), pa.Table.from_pylist(found, schema), commit)
        except (ApiError, delta.TableBroken) as error:
            log.warning("%d rows for table %s lost: %s", len(found), table_id, error)


# --- rows --------------------------------------------------------------------------------------


def _rows_of_logs(entries: list[TelemetryEntry]) -> Rows:
    ids = {entry.entity_id for entry in entries}
    entities = ServedEntity.objects.filter(id__in=ids).select_related("config__endpoint").in_bulk()
    rows: Rows = defaultdict(list)
    for entry in entries:
        entity = entities.get(entry.entity_id)
        table_id = telemetry.table_ids(entity.config.endpoint.telemetry_config).get(LOGS) if entity else None
        if entity and table_id:
            resource = _resource(entity, {"replica_id": entry.replica_id})
            rows[table_id, LOGS] += [_logged(record, resource) for record in entry.records]
    return rows


def _logged(record: LogRecord, resource: Row) -> Row:
    severity = _SEVERITIES.get(record.severity, record.severity)
    return {
        "timestamp": _time(record.at_s),
        "time_unix_nano": int(record.at_s * 1e9),
        "observed_time_unix_nano": time.time_ns(),
        "severity_number": f"SEVERITY_NUMBER_{severity if severity in _SEVERITIES.values() else 'UNSPECIFIED'}",
        "severity_text": severity,
        "body": record.body,
        "attributes": list(record.attributes.items()),
        "dropped_attributes_count": 0,
        "flags": 0,
        "resource": resource,
        "instrumentation_scope": _scope(record.logger),
    }


def _measured(reading: metrics_export.Reading, minute_s: int) -> list[Row]:
    """A row for each gauge of the metrics API, under its name."""
    end_s = minute_s + MINUTE_S
    times = {"start_time_unix_nano": minute_s * 10**9, "time_unix_nano": end_s * 10**9}
    rows = []
    for gauge in metrics_export.GAUGES:
        if (value := gauge.value(reading)) is not None:
            point = {**times, "value": float(value), "exemplars": [], "attributes": list(reading.labels.items()), "flags": 0}
            rows.append(
                {
                    "timestamp": _time(end_s),
                    "name": gauge.name,
                    "description": gauge.help,
                    "unit": "%" if gauge.name.endswith("percentage") else "1",
                    "metric_type": "gauge",
                    "gauge": point,
                    "resource": _resource(reading.entity, {}),
                    "instrumentation_scope": _scope(WRITER),
                }
            )
    return rows


def _resource(entity: ServedEntity, more: dict[str, str]) -> Row:
    attributes = {
        "service.name": entity.config.endpoint.name,
        "served_entity_name": entity.name,
        "entity_name": entity.entity_name,
        "entity_version": entity.entity_version,
        **more,
    }
    return {"attributes": list(attributes.items()), "dropped_attributes_count": 0}


def _scope(name: str) -> Row:
    return {"name": name, "version": "", "attributes": [], "dropped_attributes_count": 0}


def _time(at_s: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_s, dt.UTC)
