"""What models log and what is measured of them arrives in the tables that were asked for, and nowhere else."""

from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from sandbox import measures, metrics, service_logs
from sandbox.catalog import tables
from sandbox.catalog.column_types import Column
from sandbox.service_logs import LogLine, LogRecord
from sandbox.serving import attributes, operations, telemetry_export, telemetry_tables
from sandbox.serving.models import Endpoint, ServedEntity
from sandbox.serving.serializers import read_endpoint
from sandbox.workspaces.members import Caller

LOGGED = LogRecord(1_700_000_000.5, "WARNING", "my.model", "careful", {"code.line.number": "7"})


@pytest.fixture
def caller(workspace: Any) -> Caller:
    return Caller(workspace=workspace, user=workspace.owner)


@pytest.fixture
def endpoint(workspace: Any, registry: Any, control: Any) -> Endpoint:
    """An endpoint whose config is active, as the data plane would have it."""
    registry.add("main.default.churn", "1")
    entity = {
        "entity_name": "main.default.churn",
        "entity_version": "1",
        "workload_size": "Small",
        "scale_to_zero_enabled": False,
    }
    body = read_endpoint({"name": "churn", "config": {"served_entities": [entity]}})
    made = operations.create_endpoint(workspace, "ada", body, workspace.owner)
    Endpoint.objects.filter(id=made.id).update(active_version=1, pending_version=None, config_update="NOT_UPDATING")
    return operations.get_endpoint(workspace, "churn")


def configure(caller: Caller, **names: str) -> None:
    asked = {"table_names": {f"{signal}_table": f"main.default.{name}" for signal, name in names.items()}}
    telemetry_tables.make_for(caller, attributes.patch_telemetry(caller.workspace, "churn", asked))


def say(redis: Any, text: str = "careful") -> None:
    """The endpoint's model logs, on a replica."""
    record = LogRecord(LOGGED.at_s, LOGGED.severity, LOGGED.logger, text, LOGGED.attributes)
    entity_id = ServedEntity.objects.get().id
    service_logs.append(redis, entity_id, [LogLine(1.0, "r1", "printed"), LogLine(1.0, "r1", "logged", record)])


def rows(caller: Caller, name: str) -> list[dict[str, Any]]:
    table = tables.find(caller, f"main.default.{name}")
    return pa.table(DeltaTable(str(tables.folder_of(table))).to_pyarrow_table()).to_pylist()


def test_what_is_logged_arrives(caller: Caller, endpoint: Endpoint, redis: Any) -> None:
    say(redis, "before anybody asked")
    configure(caller, logs="l", metrics="m", traces="t")
    telemetry_export.export()
    say(redis)
    telemetry_export.export()
    [row] = rows(caller, "l")
    assert (row["severity_text"], row["severity_number"], row["body"]) == ("WARN", "SEVERITY_NUMBER_WARN", "careful")
    assert (row["timestamp"].timestamp(), row["time_unix_nano"]) == (LOGGED.at_s, 1_700_000_000_500_000_000)
    assert row["attributes"] == [("code.line.number", "7")]
    assert ("service.name", "churn") in row["resource"]["attributes"]
    assert ("replica_id", "r1") in row["resource"]["attributes"]
    assert row["instrumentation_scope"]["name"] == "my.model"
    telemetry_export.export()
    assert len(rows(caller, "l")) == 1
    assert rows(caller, "t") == []
    assert len(service_logs.lines(redis, ServedEntity.objects.get().id)) == 4, "the service log has all lines"


def test_a_minute_is_measured_once(caller: Caller, endpoint: Endpoint, redis: Any) -> None:
    configure(caller, metrics="m")
    entity, minute_s = ServedEntity.objects.get(), 1_700_000_040
    counts = measures.Counts(requests=5, ok=4, server_errors=1)
    pipe = redis.pipeline()
    metrics.write_counts(pipe, endpoint.id, entity.id, "web-1", metrics.COARSE_STEP_S, minute_s, counts)
    pipe.execute()
    for late_s in (1, 5, 59):
        telemetry_export.export_metrics(telemetry_export.follow(), minute_s + 60 + late_s)
    found = {row["name"]: row for row in rows(caller, "m")}
    assert len(rows(caller, "m")) == len(found)
    assert {name: found[name]["gauge"]["value"] for name in ("request_count_total", "request_5xx_count_total")} == {
        "request_count_total": 5.0,
        "request_5xx_count_total": 1.0,
    }
    assert found["request_count_total"]["timestamp"].timestamp() == minute_s + 60
    assert ("endpoint_name", "churn") in found["request_count_total"]["gauge"]["attributes"]


def test_a_dropped_table_is_not_made_again(caller: Caller, endpoint: Endpoint, redis: Any) -> None:
    configure(caller, logs="l")
    telemetry_export.export()
    tables.drop_table(caller, "main.default.l")
    tables.create_table(caller, "main.default.l", [Column("timestamp", "timestamp")])
    say(redis)
    telemetry_export.export()
    assert rows(caller, "l") == [], "a table that is made anew under the old name is somebody's own"
    assert not service_logs.telemetry_entries(redis, 10), "and nothing waits for ever"


def test_it_ends_with_the_setting(caller: Caller, endpoint: Endpoint, redis: Any) -> None:
    configure(caller, logs="l")
    telemetry_export.export()
    say(redis, "first")
    attributes.patch_telemetry(caller.workspace, "churn", None)
    telemetry_export.export()
    say(redis, "second")
    telemetry_export.export()
    assert rows(caller, "l") == []
    assert redis.xlen(service_logs.TELEMETRY_STREAM) == 0
