"""Which inference table an endpoint logs to, that no two endpoints share one, and who may choose it."""

from typing import Any

from sandbox.catalog import access, securables
from sandbox.catalog.models import SecurableType
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.serving import telemetry
from sandbox.serving.models import Endpoint, EndpointConfig
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace

Json = dict[str, Any]


def table_name(workspace: Workspace, endpoint_name: str, ai_gateway: Json, auto_capture_config: Json | None) -> str:
    """Three-level name of the table; empty when logging is switched off.

    Here every endpoint is logged unless its owner says otherwise; the AI Gateway's choice goes before the others.
    """
    chosen = ai_gateway.get("inference_table_config") or auto_capture_config or {}
    if not chosen.get("enabled", True):
        return ""
    catalog = chosen.get("catalog_name") or workspace.catalog
    return f"{catalog}.{chosen.get('schema_name') or 'default'}.{chosen.get('table_name_prefix') or endpoint_name}_payload"


def check_is_free(workspace: Workspace, endpoint_name: str, ai_gateway: Json, auto_capture_config: Json | None) -> None:
    """Raises InvalidParameterValue when another endpoint logs to the table, or is about to.

    Databricks makes the table itself and takes none that is there already [docs: inference tables]; here an endpoint that is made
    anew under its old name goes on with its old table.
    """
    wanted = table_name(workspace, endpoint_name, ai_gateway, auto_capture_config)
    if not wanted:
        return
    others = Endpoint.objects.filter(workspace=workspace).exclude(name=endpoint_name)
    gateways = {
        endpoint.id: endpoint
        for endpoint in others.only("id", "name", "ai_gateway", "telemetry_config", "active_version", "pending_version")
    }
    captures: dict[str, list[Json]] = {}
    for endpoint_id, version, capture in EndpointConfig.objects.filter(endpoint__in=others, retired_at=None).values_list(
        "endpoint_id", "config_version", "auto_capture_config"
    ):
        found = gateways.get(endpoint_id)
        if found is not None and version in {found.active_version, found.pending_version}:
            captures.setdefault(endpoint_id, []).append(capture)
    for endpoint in gateways.values():
        by_telemetry = telemetry.capture(endpoint.telemetry_config)
        chosen = [by_telemetry] if by_telemetry else captures.get(endpoint.id, [{}])
        theirs = (table_name(workspace, endpoint.name, endpoint.ai_gateway, each) for each in chosen)
        if wanted in theirs:
            raise InvalidParameterValue(
                f"Endpoint {endpoint.name} logs to the inference table {wanted} already. Choose another table_name_prefix, or a "
                "schema of its own."
            )


def require_may_choose(caller: Caller, chosen: Json | None, now: Json | None = None) -> None:
    """Whoever switches an inference table on must be allowed to make a table there; with `now` for the table that is on already
    nobody is asked. `chosen` has the four fields of `auto_capture_config`.

    USE CATALOG, USE SCHEMA and CREATE TABLE [docs: inference tables], CREATE SCHEMA for a schema that is not there yet. The table
    that an endpoint has without anybody's choice is the site's own. Raises PermissionDenied, ResourceDoesNotExist (no catalog).
    """
    if not chosen or not chosen.get("enabled", True) or (now and now.get("enabled", True)) or caller.is_admin:
        return
    names = (chosen.get("catalog_name") or caller.workspace.catalog, chosen.get("schema_name") or securables.DEFAULT_SCHEMA)
    try:
        schema = securables.find(caller.workspace, SecurableType.SCHEMA, securables.quoted(names))
    except ResourceDoesNotExist:
        catalog = securables.find(caller.workspace, SecurableType.CATALOG, securables.quoted(names[:1]))
        access.require(caller, catalog, "CREATE_SCHEMA")
    else:
        access.require(caller, schema, "CREATE_TABLE")
