"""Which tables an endpoint's telemetry goes to: what is shown, what is made in the catalog, who may, and what is refused."""

from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import serving
from databricks.sdk.service.catalog import ColumnInfo, ColumnTypeName, DataSourceFormat, TableType

from tests.contract.serving.endpoints import activate, config, entity

FEATURE = serving.TelemetryFeature
SCHEMA = "main.default"


@pytest.fixture
def churn(w: Any) -> str:
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    return "churn"


def to(*features: serving.TelemetryFeature, payload: serving.TelemetryInferenceTableConfig | None = None, **names: str) -> Any:
    """A telemetry config; `logs="l"` stands for logs_table main.default.l."""
    tables = {f"{signal}_table": name if "." in name else f"{SCHEMA}.{name}" for signal, name in names.items()}
    return serving.TelemetryConfig(
        table_names=serving.UnityCatalogTableNames(**tables),
        enabled_telemetry_features=list(features) or None,
        inference_table_config=payload,
    )


def test_it_makes_the_tables_and_never_shows_their_names(w: Any, churn: str) -> None:
    shown = w.serving_endpoints.patch_telemetry_config(churn, telemetry_config=to(logs="l", metrics="m", traces="t"))
    assert shown.telemetry_config == serving.TelemetryConfig(telemetry_profile_id=shown.telemetry_config.telemetry_profile_id)
    assert len(shown.telemetry_config.telemetry_profile_id) == 32
    assert w.serving_endpoints.get(churn).telemetry_config == shown.telemetry_config
    columns = {each.name: each.type_text for each in w.tables.get(f"{SCHEMA}.l").columns}
    wanted = {"timestamp": "timestamp", "severity_text": "string", "body": "string", "attributes": "map<string,string>"}
    assert wanted.items() <= columns.items()
    gauge = next(each for each in w.tables.get(f"{SCHEMA}.m").columns if each.name == "gauge")
    assert gauge.type_text.startswith("struct<start_time_unix_nano:bigint,time_unix_nano:bigint,value:double")
    assert w.tables.get(f"{SCHEMA}.t").properties["otel.schemaVersion"] == "v1"


def test_only_the_tables_of_enabled_signals_are_made(w: Any, churn: str) -> None:
    w.serving_endpoints.patch_telemetry_config(
        churn, telemetry_config=to(FEATURE.TELEMETRY_FEATURE_LOGS, logs="l", metrics="m", traces="t")
    )
    there = [name for name in "lmt" if w.tables.exists(f"{SCHEMA}.{name}").table_exists]
    assert there == ["l"]


def test_it_is_replaced_kept_and_removed(w: Any, churn: str) -> None:
    patch = w.serving_endpoints.patch_telemetry_config
    shown = patch(churn, telemetry_config=to(logs="l")).telemetry_config
    nothing_named = serving.TelemetryConfig(inference_table_config=serving.TelemetryInferenceTableConfig(sampling_fraction=1))
    assert patch(churn, telemetry_config=nothing_named).telemetry_config == shown
    assert patch(churn, telemetry_config=to(logs="other")).telemetry_config != shown
    assert patch(churn).telemetry_config is None
    w.serving_endpoints.update_config(churn, served_entities=[entity(2)])
    with pytest.raises(errors.ResourceConflict, match="before updating its telemetry configuration"):
        patch(churn)


def test_a_profile_stands_for_its_tables(w: Any, churn: str) -> None:
    profile = w.serving_endpoints.patch_telemetry_config(churn, telemetry_config=to(logs="l")).telemetry_config
    reused = serving.TelemetryConfig(telemetry_profile_id=profile.telemetry_profile_id)
    made = w.serving_endpoints.create(name="two", config=config(1), telemetry_config=reused).response
    assert made.telemetry_config == reused
    with pytest.raises(errors.ResourceDoesNotExist, match="Telemetry profile 'p' does not exist"):
        w.serving_endpoints.create(
            name="three", config=config(1), telemetry_config=serving.TelemetryConfig(telemetry_profile_id="p")
        )
    assert [each.name for each in w.serving_endpoints.list() if each.name == "three"] == []


def test_calls_are_logged_beside_the_logs(w: Any, churn: str) -> None:
    from sandbox.serving import snapshot
    from sandbox.serving.operations import get_endpoint
    from sandbox.workspaces.models import Workspace

    def table() -> str:
        found = get_endpoint(Workspace.objects.get(owner__username="ada"), churn)
        return snapshot.inference_table(found, snapshot.active_config(found))

    before = table()
    payload = serving.TelemetryInferenceTableConfig()
    w.api_client.do(
        "PATCH",
        f"/api/2.0/serving-endpoints/{churn}/telemetry-config",
        body={"telemetry_config": {**to(logs="l").as_dict(), "inference_table_config": payload.as_dict()}},
    )
    assert (before, table()) == (f"{SCHEMA}.churn_payload", f"{SCHEMA}.l_payload")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (to(logs="a.b"), "logs_table: It must be a full table name"),
        (to(logs="main.default.a-b"), "logs_table: It must be a full table name"),
        (to(FEATURE.TELEMETRY_FEATURE_TRACES, traces="t"), "Traces are not collected here"),
        (to(annotations="a"), "annotations_table is for agents"),
        (to(logs="l", metrics="l"), "names main.default.l twice"),
        (to(logs="l", payload=serving.TelemetryInferenceTableConfig(sampling_fraction=0.5)), "sampling_fraction can only be 1"),
    ],
)
def test_what_is_refused(w: Any, churn: str, asked: Any, message: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=message):
        w.serving_endpoints.patch_telemetry_config(churn, telemetry_config=asked)
    assert w.serving_endpoints.get(churn).telemetry_config is None


def test_a_schema_that_is_not_there_and_a_table_of_another_kind(w: Any, churn: str) -> None:
    with pytest.raises(errors.ResourceDoesNotExist, match="nowhere"):
        w.serving_endpoints.patch_telemetry_config(churn, telemetry_config=to(logs="main.nowhere.l"))
    w.tables.create(
        name="mine",
        catalog_name="main",
        schema_name="default",
        table_type=TableType.MANAGED,
        data_source_format=DataSourceFormat.DELTA,
        storage_location="",
        columns=[ColumnInfo(name="timestamp", type_text="timestamp", type_name=ColumnTypeName.TIMESTAMP, position=0)],
    )
    with pytest.raises(errors.InvalidParameterValue, match="no table for logs: it has no column event_name string"):
        w.serving_endpoints.patch_telemetry_config(churn, telemetry_config=to(logs="mine"))
