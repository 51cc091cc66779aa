"""Endpoints on their way to READY, for the tests of the control plane."""

from datetime import datetime
from typing import Any

from sandbox import live
from sandbox.serving import operations
from sandbox.serving.models import BuildStatus, DeploymentEvent, Endpoint, ModelBuild, ServedEntity
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_endpoint
from sandbox.workspaces.models import Workspace

SHA = "a" * 64


def config(*versions: int, percentages: tuple[int, ...] = (), **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "served_entities": [
            {"entity_name": "main.default.churn", "entity_version": str(v), "workload_size": "Small", **changes} for v in versions
        ]
    }
    if percentages:
        body["traffic_config"] = {
            "routes": [
                {"served_entity_name": f"churn-{v}", "traffic_percentage": p} for v, p in zip(versions, percentages, strict=True)
            ]
        }
    return body


def create(workspace: Any, name: str = "churn", *, built: bool = True, body: dict[str, Any] | None = None) -> Endpoint:
    endpoint = operations.create_endpoint(
        workspace, "ada@example.org", read_endpoint({"name": name, "config": body or config(1)})
    )
    if built:
        give_builds(workspace)
    return endpoint


def give_builds(workspace: Any, **facts: Any) -> None:
    """What the build worker would have written by now, for every entity whose build has not begun."""
    built = {"status": BuildStatus.READY, "model_sha256": SHA, **facts}
    ModelBuild.objects.filter(workspace=workspace, status=BuildStatus.WAITING).update(**built)
    for entity in ServedEntity.objects.filter(build=None, config__endpoint__workspace=workspace):
        build, _ = ModelBuild.objects.get_or_create(
            workspace=workspace,
            entity_name=entity.entity_name,
            entity_version=entity.entity_version,
            source="models:/m-1",
            defaults=built,
        )
        ServedEntity.objects.filter(id=entity.id).update(build=build)


def published(redis: Any, workspace: Any, name: str = "churn") -> live.LiveEndpoint | None:
    data = redis.get(live.endpoint_key(workspace.id, name))
    return live.LiveEndpoint.from_json(data) if data else None


def state(workspace: Any, name: str = "churn") -> tuple[str, str]:
    found = detailed(operations.get_endpoint(workspace, name), workspace)["state"]
    return found["ready"], found["config_update"]


def deploy(workspace: Any, node: Any, control: Any, **create_arguments: Any) -> Endpoint:
    """An endpoint that is READY."""
    endpoint = create(workspace, **create_arguments)
    control.run()
    for entity_id in node.started():
        node.announce(entity_id)
    control.run()
    assert state(workspace, endpoint.name) == ("READY", "NOT_UPDATING")
    return operations.get_endpoint(workspace, endpoint.name)


def entity_of(endpoint: Endpoint, version: int) -> ServedEntity:
    return ServedEntity.objects.select_related("config").get(config__endpoint=endpoint, config__config_version=version)


def run_clock_since(moment: datetime, workspace: Any, factor: float) -> None:
    Workspace.objects.filter(id=workspace.id).update(clock_set_at=moment, clock_set_to=moment, clock_factor=factor)


def event_types(endpoint: Endpoint) -> list[str]:
    return list(DeploymentEvent.objects.filter(endpoint=endpoint).values_list("type", flat=True))
