"""Configs to send, and what the control worker would do: in contract tests nobody starts replicas."""

from typing import Any

from databricks.sdk.service import serving


def entity(version: int = 1, **fields: Any) -> serving.ServedEntityInput:
    fields = {"workload_size": "Small", **fields} if "min_provisioned_concurrency" not in fields else fields
    return serving.ServedEntityInput(entity_name="main.default.churn", entity_version=str(version), **fields)


def config(*versions: int, **percentages: int) -> serving.EndpointCoreConfigInput:
    """Entities churn-<version>; `churn_1=80` is a route to churn-1."""
    routes = [serving.Route(served_entity_name=n.replace("_", "-"), traffic_percentage=p) for n, p in percentages.items()]
    return serving.EndpointCoreConfigInput(
        name="churn",
        served_entities=[entity(version) for version in versions],
        traffic_config=serving.TrafficConfig(routes=routes) if routes else None,
    )


def activate(name: str, workspace_id: str | None = None) -> None:
    """The rollout's last step: the pending config becomes the active one."""
    from sandbox.serving.models import Endpoint, ServedEntity

    found = Endpoint.objects.filter(name=name)
    endpoint = (found.filter(workspace_id=workspace_id) if workspace_id else found).get()
    pending = ServedEntity.objects.filter(config__endpoint=endpoint, config__config_version=endpoint.pending_version)
    pending.update(deployment="DEPLOYMENT_READY", deployment_state_message="")
    Endpoint.objects.filter(id=endpoint.id).update(
        active_version=endpoint.pending_version, pending_version=None, config_update="NOT_UPDATING"
    )


def states(endpoint: Any) -> tuple[str, str]:
    return endpoint.state.ready.value, endpoint.state.config_update.value


def deployments(config: Any) -> list[tuple[str, str]]:
    """State and its message, of each entity."""
    return [(e.state.deployment.value, e.state.deployment_state_message) for e in config.served_entities]
