"""Objects as the REST API shows them [SDK 0.156: databricks.sdk.service.catalog]; times in ms since the epoch."""

import json
import uuid
from functools import lru_cache
from typing import Any

from sandbox.catalog.column_types import delta_type
from sandbox.catalog.functions import PYTHON, SQL
from sandbox.catalog.models import Securable, Tag
from sandbox.catalog.tables import VIEW
from sandbox.workspaces.clock import epoch_ms
from sandbox.workspaces.models import Workspace

_NAMESPACE = uuid.UUID("6f1d7a54-2d3c-4f0e-9f0a-5d1b8c7e6a42")


def metastore_id(workspace: Workspace) -> str:
    """Each workspace has a metastore of its own: its objects are nobody else's."""
    return _uuid_of_text(workspace.id)


@lru_cache(maxsize=1_024)
def _uuid_of_text(text: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, text))


def workspace_number(workspace: Workspace) -> int:
    """The workspace's id as the REST API writes it, a number."""
    return uuid.uuid5(_NAMESPACE, workspace.id).int % 10**16


def catalog_info(catalog: Securable) -> dict[str, Any]:
    kind = "SYSTEM_CATALOG" if catalog.name == "system" else "MANAGED_CATALOG"
    return {
        **_common(catalog),
        "catalog_type": kind,
        "isolation_mode": "OPEN",
        "properties": catalog.properties,
        "securable_type": "CATALOG",
    }


def schema_info(schema: Securable) -> dict[str, Any]:
    catalog = schema.full_name.split(".")[0]
    return {
        **_common(schema),
        "catalog_name": catalog,
        "catalog_type": "SYSTEM_CATALOG" if catalog == "system" else "MANAGED_CATALOG",
        "properties": schema.properties,
        "schema_id": uuid_of(schema),
    }


def table_info(table: Securable, *, omit_columns: bool = False, omit_properties: bool = False) -> dict[str, Any]:
    detail = table.table
    info: dict[str, Any] = {**_common(table), **_place(table), "table_id": uuid_of(table), "table_type": detail.table_type}
    if detail.table_type == VIEW:
        info["view_definition"] = detail.view_definition
    else:
        info["data_source_format"] = "DELTA"
    if not omit_columns:
        info["columns"] = [column_info(column, position) for position, column in enumerate(detail.columns)]
    if not omit_properties:
        info["properties"] = table.properties
    if detail.primary_key:
        info["table_constraints"] = [{"primary_key_constraint": primary_key(table)}]
    return info


def primary_key(table: Securable) -> dict[str, Any]:
    detail = table.table
    key = {"name": detail.primary_key_name, "child_columns": detail.primary_key}
    return {**key, "timeseries_columns": detail.timeseries_columns} if detail.timeseries_columns else key


def column_info(column: dict[str, Any], position: int) -> dict[str, Any]:
    nullable = column.get("nullable", True)
    info = {
        "name": column["name"],
        "type_text": column["type_text"],
        "type_name": column["type_name"],
        "type_json": _type_json(column["name"], column["type_text"], nullable),
        "position": position,
        "nullable": nullable,
    }
    return {**info, "comment": column["comment"]} if column.get("comment") else info


def table_summary(table: Securable) -> dict[str, Any]:
    return {"full_name": table.full_name, "table_type": table.table.table_type}


def volume_info(volume: Securable) -> dict[str, Any]:
    return {**_common(volume), **_place(volume), "volume_id": uuid_of(volume), "volume_type": "MANAGED"}


def function_info(function: Securable) -> dict[str, Any]:
    detail = function.function
    is_table = detail.return_type_name == "TABLE_TYPE"
    info: dict[str, Any] = {
        **_common(function),
        **_place(function),
        "function_id": uuid_of(function),
        "specific_name": function.name,
        "data_type": detail.return_type_name,
        "full_data_type": detail.return_type_text,
        "routine_body": "SQL" if detail.language == SQL else "EXTERNAL",
        "routine_definition": detail.definition,
        "input_params": {"parameters": [_parameter(each, position) for position, each in enumerate(detail.parameters)]},
        "is_deterministic": detail.is_deterministic,
        "is_null_call": False,
        "parameter_style": "S",
        "security_type": "DEFINER",
        "sql_data_access": "READS_SQL_DATA" if is_table else "CONTAINS_SQL",
    }
    if detail.language == SQL:
        return info
    return {**info, "external_language": "Python" if detail.language == PYTHON else detail.language}


def tag_info(tag: Tag, entity_type: str) -> dict[str, Any]:
    name = f"{tag.securable.full_name}.{tag.column}" if tag.column else tag.securable.full_name
    return {"entity_type": entity_type, "entity_name": name, "tag_key": tag.key, "tag_value": tag.value}


def privilege_assignments(grants: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [{"principal": principal, "privileges": privileges} for principal, privileges in grants.items()]


def metastore_summary(workspace: Workspace, owner: str) -> dict[str, Any]:
    return {
        "metastore_id": metastore_id(workspace),
        "global_metastore_id": f"sandbox:local:{metastore_id(workspace)}",
        "name": f"metastore_{workspace.name}",
        "region": "local",
        "owner": owner,
        "privilege_model_version": "1.0",
        "created_at": epoch_ms(workspace.created_at),
        "created_by": owner,
    }


def uuid_of(securable: Securable) -> str:
    digits = securable.id
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _common(securable: Securable) -> dict[str, Any]:
    info = {
        "name": securable.name,
        "full_name": securable.full_name,
        "owner": securable.owner,
        "metastore_id": metastore_id(securable.workspace),
        "created_at": epoch_ms(securable.created_at),
        "created_by": securable.created_by,
        "updated_at": epoch_ms(securable.updated_at),
        "updated_by": securable.updated_by,
    }
    return {**info, "comment": securable.comment} if securable.comment else info


def _place(securable: Securable) -> dict[str, str]:
    catalog, schema = securable.full_name.split(".")[:2]
    return {"catalog_name": catalog, "schema_name": schema}


def _parameter(parameter: dict[str, Any], position: int) -> dict[str, Any]:
    info = {
        "name": parameter["name"],
        "type_text": parameter["type_text"],
        "type_name": parameter["type_name"],
        "type_json": _type_json(parameter["name"], parameter["type_text"], nullable=True),
        "position": position,
        "parameter_mode": "IN",
        "parameter_type": "PARAM",
    }
    if parameter.get("default") is not None:
        info["parameter_default"] = parameter["default"]
    return {**info, "comment": parameter["comment"]} if parameter.get("comment") else info


@lru_cache(maxsize=4_096)
def _type_json(name: str, type_text: str, nullable: bool) -> str:
    return json.dumps({"name": name, "type": delta_type(type_text), "nullable": nullable, "metadata": {}})
