"""telemetry_config: which tables of the catalog get what an endpoint logs and measures.

What is shown follows Databricks' own fake server of the backend [cli]: `table_names` make a profile and are never shown again;
the payload table is named after the logs table; a config that names neither tables nor a profile changes nothing and reports
success. What it does follows [docs: Persist custom model serving data to Unity Catalog, read as of 2026-06-18].
"""

from typing import Any

from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.serving.models import Endpoint
from sandbox.workspaces.models import Workspace, new_id

Json = dict[str, Any]
LOGS, METRICS, TRACES = "logs_table", "metrics_table", "traces_table"
SIGNALS = {LOGS: "TELEMETRY_FEATURE_LOGS", METRICS: "TELEMETRY_FEATURE_METRICS", TRACES: "TELEMETRY_FEATURE_TRACES"}
"""Field of `table_names` -> the feature that switches the signal on."""
PAYLOAD_FEATURE = "TELEMETRY_FEATURE_INFERENCE_TABLE"
NO_TRACES = (
    "Traces are not collected here: a served model has no network to send its spans over. Leave TELEMETRY_FEATURE_TRACES out; a "
    "traces_table beside others is made, and stays empty."
)
NO_ANNOTATIONS = "annotations_table is for agents, which are not served here. Leave it out."
NO_SAMPLING = "Every call is logged here: sampling_fraction can only be 1. Leave it out."


def applied(workspace: Workspace, asked: Json, before: Json | None = None) -> Json:
    """What an endpoint keeps after `asked` was sent to it: what is shown, and `table_names`; `table_ids` come to it when the
    tables are there (`sandbox.serving.telemetry_tables`).

    Raises InvalidParameterValue for what would have no effect here, ResourceDoesNotExist for a profile that no endpoint has.
    """
    profile = asked.get("telemetry_profile_id", "")
    tables = _tables_of(workspace, profile) if profile else asked.get("table_names")
    if not tables:
        return before or {}
    _refuse_what_has_no_effect(asked, tables)
    kept: Json = {"telemetry_profile_id": profile or new_id(), "table_names": tables}
    if asked.get("enabled_telemetry_features"):
        kept["enabled_telemetry_features"] = asked["enabled_telemetry_features"]
    if "inference_table_config" in asked:
        payload = {"name": f"{tables[LOGS]}_payload"} if LOGS in tables else {}
        kept["inference_table_config"] = {**asked["inference_table_config"], **payload}
    return kept


def shown(kept: Json) -> Json:
    return {name: value for name, value in kept.items() if name not in {"table_names", "table_ids"}}


def tables(kept: Json) -> dict[str, str]:
    """The signals that are switched on: field of `table_names` -> full name of the table."""
    enabled = kept.get("enabled_telemetry_features")
    names = kept.get("table_names", {})
    return {field: names[field] for field, feature in SIGNALS.items() if field in names and (not enabled or feature in enabled)}


def table_ids(kept: Json) -> dict[str, str]:
    """Ids of the tables of the signals that are switched on: a table that is made anew under an old name is another one."""
    ids = kept.get("table_ids", {})
    return {signal: ids[signal] for signal in tables(kept) if signal in ids}


def capture(kept: Json) -> Json | None:
    """Where the calls are logged by it, with the fields of `auto_capture_config`; None when it says nothing of that."""
    enabled = kept.get("enabled_telemetry_features")
    logs_table = kept.get("table_names", {}).get(LOGS, "")
    if not logs_table or "inference_table_config" not in kept or (enabled and PAYLOAD_FEATURE not in enabled):
        return None
    catalog, schema, table = logs_table.split(".")
    return {"enabled": True, "catalog_name": catalog, "schema_name": schema, "table_name_prefix": table}


def _tables_of(workspace: Workspace, profile: str) -> Json:
    """A profile lasts as long as an endpoint of the workspace has it."""
    found = Endpoint.objects.filter(workspace=workspace, telemetry_config__telemetry_profile_id=profile).first()
    if found is None:
        raise ResourceDoesNotExist(
            f"Telemetry profile '{profile}' does not exist: no endpoint of this workspace has it. Give table_names instead."
        )
    return dict(found.telemetry_config["table_names"])


def _refuse_what_has_no_effect(asked: Json, tables: Json) -> None:
    if SIGNALS[TRACES] in (asked.get("enabled_telemetry_features") or ()):
        raise InvalidParameterValue(NO_TRACES)
    if "annotations_table" in tables:
        raise InvalidParameterValue(NO_ANNOTATIONS)
    if asked.get("inference_table_config", {}).get("sampling_fraction", 1) != 1:
        raise InvalidParameterValue(NO_SAMPLING)
