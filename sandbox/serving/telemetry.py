"""telemetry_config as it is kept and shown; the rules are what Databricks' own fake server says of the backend [cli].

`table_names` only make a profile and are never shown again; the payload table is named after the logs table; a config that
names neither tables nor a profile changes nothing and reports success.
"""

from typing import Any

from sandbox.workspaces.models import new_id

Json = dict[str, Any]


def applied(asked: Json, before: Json | None = None) -> Json:
    """What an endpoint has after `asked` was sent to it."""
    tables, profile = asked.get("table_names"), asked.get("telemetry_profile_id", "")
    if not tables and not profile:
        return before or {}
    shown: Json = {"telemetry_profile_id": profile or new_id()}
    if asked.get("enabled_telemetry_features"):
        shown["enabled_telemetry_features"] = asked["enabled_telemetry_features"]
    if "inference_table_config" in asked:
        payload = {"name": f"{tables['logs_table']}_payload"} if tables and tables.get("logs_table") else {}
        shown["inference_table_config"] = {**asked["inference_table_config"], **payload}
    return shown
