"""The tables of the catalog that telemetry is written to: their columns, and who may have them written.

Columns are those of Databricks' OpenTelemetry tables in schema version v1 [docs: OpenTelemetry collector, Unity Catalog table
schema, 2026], and `timestamp`, which the page on endpoint telemetry filters by.
"""

from collections.abc import Mapping

from sandbox.catalog import access, captured, tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.models import Securable
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.serving import payload_tables, telemetry
from sandbox.serving.models import Endpoint
from sandbox.serving.telemetry import LOGS, METRICS, TRACES
from sandbox.workspaces.members import Caller

VERSION = {"otel.schemaVersion": "v1"}
COMMENT = "OpenTelemetry {signal} of serving endpoints, written by Model Serving"
_MAP = "map<string,string>"
_RESOURCE = f"struct<attributes:{_MAP},dropped_attributes_count:int>"
_SCOPE = f"struct<name:string,version:string,attributes:{_MAP},dropped_attributes_count:int>"
_EXEMPLARS = f"array<struct<time_unix_nano:bigint,value:double,span_id:string,trace_id:string,filtered_attributes:{_MAP}>>"
_BUCKET = "struct<offset:int,bucket_counts:array<bigint>>"
_TIMES = "start_time_unix_nano:bigint,time_unix_nano:bigint"
_POINT = f"{_TIMES},value:double,exemplars:{_EXEMPLARS},attributes:{_MAP},flags:int"
_EVENT = f"struct<time_unix_nano:bigint,name:string,attributes:{_MAP},dropped_attributes_count:int>"
_LINK = f"struct<trace_id:string,span_id:string,trace_state:string,attributes:{_MAP},dropped_attributes_count:int,flags:int>"
COLUMNS: Mapping[str, Mapping[str, str]] = {
    LOGS: {
        "timestamp": "timestamp",
        "event_name": "string",
        "trace_id": "string",
        "span_id": "string",
        "time_unix_nano": "bigint",
        "observed_time_unix_nano": "bigint",
        "severity_number": "string",
        "severity_text": "string",
        "body": "string",
        "attributes": _MAP,
        "dropped_attributes_count": "int",
        "flags": "int",
        "resource": _RESOURCE,
        "resource_schema_url": "string",
        "instrumentation_scope": _SCOPE,
        "log_schema_url": "string",
    },
    METRICS: {
        "timestamp": "timestamp",
        "name": "string",
        "description": "string",
        "unit": "string",
        "metric_type": "string",
        "gauge": f"struct<{_POINT}>",
        "sum": f"struct<{_POINT},aggregation_temporality:string,is_monotonic:boolean>",
        "histogram": f"struct<{_TIMES},count:bigint,sum:double,bucket_counts:array<bigint>,explicit_bounds:array<double>,"
        f"exemplars:{_EXEMPLARS},attributes:{_MAP},flags:int,min:double,max:double,aggregation_temporality:string>",
        "exponential_histogram": f"struct<attributes:{_MAP},{_TIMES},count:bigint,sum:double,scale:int,zero_count:bigint,"
        f"positive_bucket:{_BUCKET},negative_bucket:{_BUCKET},flags:int,exemplars:{_EXEMPLARS},min:double,max:double,"
        "zero_threshold:double,aggregation_temporality:string>",
        "summary": f"struct<{_TIMES},count:bigint,sum:double,quantile_values:array<struct<quantile:double,value:double>>,"
        f"attributes:{_MAP},flags:int>",
        "metadata": _MAP,
        "resource": _RESOURCE,
        "resource_schema_url": "string",
        "instrumentation_scope": _SCOPE,
        "metric_schema_url": "string",
    },
    TRACES: {
        "timestamp": "timestamp",
        "trace_id": "string",
        "span_id": "string",
        "trace_state": "string",
        "parent_span_id": "string",
        "flags": "int",
        "name": "string",
        "kind": "string",
        "start_time_unix_nano": "bigint",
        "end_time_unix_nano": "bigint",
        "attributes": _MAP,
        "dropped_attributes_count": "int",
        "events": f"array<{_EVENT}>",
        "dropped_events_count": "int",
        "links": f"array<{_LINK}>",
        "dropped_links_count": "int",
        "status": "struct<message:string,code:string>",
        "resource": _RESOURCE,
        "resource_schema_url": "string",
        "instrumentation_scope": _SCOPE,
        "span_schema_url": "string",
    },
}
"""Field of `table_names` -> name and SQL type of each column."""


def make_for(caller: Caller, endpoint: Endpoint) -> None:
    """Make the tables of an endpoint whose telemetry the caller has just configured, where they are not there yet.

    Needs USE CATALOG, USE SCHEMA and CREATE TABLE, of a table that is there MODIFY. Raises PermissionDenied,
    ResourceDoesNotExist (schema), InvalidParameterValue (one table for two signals, a table with other columns).
    """
    kept = endpoint.telemetry_config
    payload_tables.require_may_choose(caller, telemetry.capture(kept))
    wanted = list(telemetry.tables(kept).values())
    for full_name in wanted:
        if wanted.count(full_name) > 1:
            raise InvalidParameterValue(f"table_names names {full_name} twice. Each signal needs a table of its own.")
    if wanted:
        ids = {signal: _table(caller, signal, full_name).id for signal, full_name in telemetry.tables(kept).items()}
        endpoint.telemetry_config = {**kept, "table_ids": ids}
        endpoint.save(update_fields=["telemetry_config"])


def _table(caller: Caller, signal: str, full_name: str) -> Securable:
    """The table, made when it is not there."""
    try:
        table = tables.find(caller, full_name)
    except ResourceDoesNotExist:
        columns = [Column(name, type_text) for name, type_text in COLUMNS[signal].items()]
        comment = COMMENT.format(signal=signal.removesuffix("_table"))
        return tables.create_table(caller, full_name, columns, properties=VERSION, comment=comment)
    _check(caller, signal, table)
    return table


def _check(caller: Caller, signal: str, table: Securable) -> None:
    access.require(caller, table, "MODIFY")
    captured.require_own_rows(table)
    there = {column["name"]: column["type_text"] for column in table.table.columns}
    lacking = [name for name, type_text in COLUMNS[signal].items() if there.get(name) != type_text]
    if table.table.table_type != tables.MANAGED or lacking:
        reason = f": it has no column {lacking[0]} {COLUMNS[signal][lacking[0]]}" if lacking else ""
        raise InvalidParameterValue(
            f"{table.full_name} is there already and is no table for {signal.removesuffix('_table')}{reason}. Name one that is "
            "not there yet."
        )
