"""Endpoints in every state, as rows: no process needs to run for the pages to show them."""

from typing import Any

from sandbox.catalog.models import ModelVersion
from sandbox.registry.registered_models import add_model
from sandbox.registry.versions import add_version
from sandbox.serving.models import DeploymentEvent, Endpoint, EndpointConfig, ServedEntity
from sandbox.workspaces.models import Workspace

READY = "DEPLOYMENT_READY"
LONG_NAME = "broken_model_with_a_rather_long_name_for_a_phone_screen_x1"
FAILURE = "The model cannot be converted: step 'MyTransformer' of the pipeline is not a scikit-learn transformer."


def make_every_state(workspace: Workspace, system: Workspace) -> None:
    """A split, a rollout, a failure, an external and a foundation endpoint."""
    make_endpoint(workspace, "example-churn", [custom("churn", "1"), custom("churn", "2")], shares=(80, 20))
    rolling = make_endpoint(workspace, "fraud-live", [custom("fraud", "1")], update="IN_PROGRESS", pending_version=2)
    building = custom("fraud", "2", deployment="DEPLOYMENT_CREATING", deployment_state_message="The model is being built.")
    add_config(rolling, 2, [custom("fraud", "1"), building], (50, 50))
    failed = custom("custom_transformer", "1", deployment="DEPLOYMENT_FAILED", deployment_state_message=FAILURE)
    make_endpoint(workspace, LONG_NAME, [failed], update="UPDATE_FAILED", active_version=None, pending_version=1)
    make_endpoint(workspace, "example-chat", [external()], kind="external", task="llm/v1/chat")
    make_endpoint(system, "databricks-bge-large-en", [foundation()], kind="foundation", task="llm/v1/embeddings")


def make_endpoint(
    workspace: Workspace,
    name: str,
    entities: list[dict[str, Any]],
    shares: tuple[int, ...] = (100,),
    kind: str = "custom",
    update: str = "NOT_UPDATING",
    **fields: Any,
) -> Endpoint:
    """An endpoint whose first config is active unless `active_version` says otherwise."""
    made = {"active_version": 1, "latest_version": 2, "creator": "learner", **fields}
    endpoint = Endpoint.objects.create(workspace=workspace, name=name, kind=kind, config_update=update, **made)
    add_config(endpoint, 1, entities, shares)
    DeploymentEvent.objects.create(endpoint=endpoint, config_version=1, type="ENDPOINT_CREATED", message="Created by learner.")
    return endpoint


def register_model(workspace: Workspace, name: str, versions: int) -> None:
    """A registered model with so many versions, without files: nothing builds it here."""
    model = add_model(workspace, name, "learner")
    for _ in range(versions):
        add_version(model, "learner")
    ModelVersion.objects.filter(registered_model=model).update(status=ModelVersion.Status.READY)


def add_config(endpoint: Endpoint, version: int, entities: list[dict[str, Any]], shares: tuple[int, ...]) -> None:
    routes = [
        {"served_entity_name": entity["name"], "traffic_percentage": share}
        for entity, share in zip(entities, shares, strict=True)
    ]
    config = EndpointConfig.objects.create(endpoint=endpoint, config_version=version, routes=routes)
    for position, entity in enumerate(entities):
        ServedEntity.objects.create(config=config, position=position, **entity)


def custom(model: str, version: str, deployment: str = READY, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"{model}-{version}",
        "entity_name": f"main.default.{model}",
        "entity_version": version,
        "workload_size": "Small",
        "scale_to_zero_enabled": True,
        "deployment": deployment,
        **fields,
    }


def external() -> dict[str, Any]:
    model = {"provider": "openai", "name": "gpt-4o-mini", "task": "llm/v1/chat", "openai_config": {}}
    return {"name": "chat", "external_model": model, "deployment": READY}


def foundation() -> dict[str, Any]:
    return {
        "name": "bge-large-en",
        "entity_name": "system.ai.bge_large_en_v1_5",
        "entity_version": "1",
        "foundation_model": {"name": "bge-large-en", "display_name": "BGE Large (English)"},
        "deployment": READY,
    }
