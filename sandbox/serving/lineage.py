"""Lineage of endpoints: which model versions answer behind one, and which table its calls are logged to."""

from sandbox.catalog import lineage
from sandbox.catalog.lineage import Kind, Node
from sandbox.serving.models import Endpoint, EndpointConfig
from sandbox.serving.snapshot import inference_table


def record(endpoint: Endpoint, config: EndpointConfig) -> None:
    """Note what a config that becomes active connects. Lineage outlives the endpoint: deleting it takes nothing away."""
    served = Node(Kind.ENDPOINT, endpoint.name)
    for entity in config.entities.all():
        if entity.entity_name and entity.entity_version:
            version = Node(Kind.MODEL_VERSION, f"{entity.entity_name.lower()}/{entity.entity_version}")
            lineage.record(endpoint.workspace, version, served)
    table = inference_table(endpoint, config)
    if table:
        lineage.record(endpoint.workspace, served, Node(Kind.TABLE, table.lower()))
