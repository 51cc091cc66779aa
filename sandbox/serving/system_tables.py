"""`system.serving.served_entities`: what endpoints of the workspace serve or served [docs: Model serving system tables]."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from sandbox.catalog.column_types import Column, arrow_schema
from sandbox.catalog.hooks import SystemTable
from sandbox.catalog.representation import workspace_number
from sandbox.serving import access, compute
from sandbox.serving.autoscaling import CONCURRENCY_PER_REPLICA
from sandbox.serving.models import Endpoint, EndpointKind, ServedEntity
from sandbox.workspaces.members import Caller

_CUSTOM = "struct<min_concurrency:int,max_concurrency:int,compute_type:string>"
_SCHEMA = arrow_schema(
    [
        Column("served_entity_id", "string"),
        Column("account_id", "string"),
        Column("workspace_id", "string"),
        Column("created_by", "string"),
        Column("endpoint_name", "string"),
        Column("endpoint_id", "string"),
        Column("served_entity_name", "string"),
        Column("entity_type", "string"),
        Column("entity_name", "string"),
        Column("entity_version", "string"),
        Column("endpoint_config_version", "int"),
        Column("task", "string"),
        Column("external_model_config", "struct<provider:string>"),
        Column("foundation_model_config", "struct<min_provisioned_throughput:int,max_provisioned_throughput:int>"),
        Column("custom_model_config", _CUSTOM),
        Column("feature_spec_config", _CUSTOM),
        Column("change_time", "timestamp"),
        Column("endpoint_delete_time", "timestamp"),
    ]
)
_TYPES = {
    EndpointKind.CUSTOM: "CUSTOM_MODEL",
    EndpointKind.EXTERNAL: "EXTERNAL_MODEL",
    EndpointKind.FOUNDATION: "FOUNDATION_MODEL",
}


def _served_entities(caller: Caller) -> pa.Table:
    return pa.Table.from_pylist(list(_rows(caller)), schema=_SCHEMA)


def _rows(caller: Caller) -> Iterator[dict[str, Any]]:
    """Of the endpoints that the caller may view; those that were deleted left no rows."""
    levels = access.levels_of(Endpoint.objects.filter(workspace=caller.workspace), caller)
    found = ServedEntity.objects.filter(config__endpoint__in=list(levels)).select_related("config__endpoint")
    for entity in found.order_by("created_at", "id"):
        endpoint = entity.config.endpoint
        yield {
            "served_entity_id": entity.id,
            "workspace_id": str(workspace_number(caller.workspace)),
            "created_by": endpoint.creator,
            "endpoint_name": endpoint.name,
            "endpoint_id": endpoint.id,
            "served_entity_name": entity.name,
            "entity_type": "FEATURE_SPEC" if entity.is_feature_spec else _TYPES[EndpointKind(endpoint.kind)],
            "entity_name": entity.entity_name or entity.external_model.get("name"),
            "entity_version": entity.entity_version or None,
            "endpoint_config_version": entity.config.config_version,
            "task": endpoint.task or None,
            "change_time": entity.created_at,
            **_config(EndpointKind(endpoint.kind), entity),
        }


def _config(kind: EndpointKind, entity: ServedEntity) -> dict[str, Any]:
    if kind == EndpointKind.EXTERNAL:
        return {"external_model_config": {"provider": entity.external_model.get("provider")}}
    if kind == EndpointKind.CUSTOM:
        sizes = compute.range_of(entity)
        lowest = 0 if entity.scale_to_zero_enabled else sizes.lowest * CONCURRENCY_PER_REPLICA
        highest = sizes.highest * CONCURRENCY_PER_REPLICA
        config = {"min_concurrency": lowest, "max_concurrency": highest, "compute_type": entity.workload_type}
        return {"feature_spec_config" if entity.is_feature_spec else "custom_model_config": config}
    return {}


SERVED_ENTITIES = SystemTable(
    "system.serving.served_entities", _SCHEMA, "Served entities of model serving endpoints", _served_entities
)
