"""Lineage of endpoints: which model versions answer behind one, and which table its calls are logged to."""

from sandbox.catalog import lineage
from sandbox.catalog.lineage import Kind, Node
from sandbox.serving.models import Endpoint, EndpointConfig, ServedEntity
from sandbox.serving.snapshot import inference_table


def record(endpoint: Endpoint, config: EndpointConfig) -> None:
    """Note what a config that becomes active connects. Lineage outlives the endpoint: deleting it takes nothing away."""
    served = Node(Kind.ENDPOINT, endpoint.name)
    for entity in config.entities.all():
        if entity.entity_name and entity.entity_version:
            version = Node(Kind.MODEL_VERSION, f"{entity.entity_name.lower()}/{entity.entity_version}")
            lineage.record(endpoint.workspace, version, served)
            for source in _features(entity):
                lineage.record(endpoint.workspace, source, version)
        elif entity.is_feature_spec:
            spec = Node(Kind.FUNCTION, entity.entity_name.lower())
            lineage.record(endpoint.workspace, spec, served)
            for source in _features(entity):
                lineage.record(endpoint.workspace, source, spec)
    table = inference_table(endpoint, config)
    if table:
        lineage.record(endpoint.workspace, served, Node(Kind.TABLE, table.lower()))


def _features(entity: ServedEntity) -> list[Node]:
    """The feature tables and functions by which the model gets its columns."""
    plan = entity.lookups or {}
    tables = [Node(Kind.TABLE, each["table"]) for each in plan.get("tables", ())]
    return tables + [Node(Kind.FUNCTION, each["name"]) for each in plan.get("functions", ())]
