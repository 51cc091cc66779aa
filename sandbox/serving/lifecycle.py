"""Stop and start an endpoint, and cancel an update: what a person does to a rollout.

The REST paths of stop and start are not in the SDK (databricks-sdk-py issue 752); people call them with `do("POST", …)`.
"""

from django.db import transaction
from django.utils import timezone

from sandbox.errors import InvalidParameterValue, InvalidState, ResourceConflict
from sandbox.serving import afterwards, events, quotas
from sandbox.serving.models import ConfigUpdate, Deployment, Endpoint, EndpointConfig, EndpointKind, ServedEntity
from sandbox.serving.operations import begin_update, conflict_or_gone, get_endpoint, own_endpoint
from sandbox.workspaces.models import Workspace, new_id

STOPPED_MESSAGE = "The endpoint is stopped."
CANCELED_MESSAGE = "The update was cancelled."


def stop_endpoint(workspace: Workspace, name: str) -> Endpoint:
    """Give up all replicas; queries answer 400 until the endpoint is started [manage-serving-endpoints page].

    Only custom models without an update in progress. Stopping what is stopped changes nothing.
    """
    endpoint = _startable(workspace, name)
    version = endpoint.active_version
    if endpoint.is_stopped:
        return endpoint
    if version is None:
        raise InvalidState(f"Endpoint {name} serves nothing yet, so there is nothing to stop. Update its config or delete it.")
    with transaction.atomic():
        settled = Endpoint.objects.filter(id=endpoint.id, active_version=version).exclude(config_update=ConfigUpdate.IN_PROGRESS)
        if not settled.update(
            stopped_version=version,
            active_version=None,
            pending_version=None,
            config_update=ConfigUpdate.NOT_UPDATING,
            published_version=None,
            updated_at=timezone.now(),
        ):
            raise conflict_or_gone(endpoint)
        ServedEntity.objects.filter(config__endpoint=endpoint, config__config_version=version).update(
            deployment=Deployment.ABORTED, deployment_state_message=STOPPED_MESSAGE, state_changed_at=timezone.now()
        )
        events.of_endpoint(endpoint, version, events.ENDPOINT_STOPPED, STOPPED_MESSAGE)
        endpoint.published_version = None
        afterwards.reconcile(endpoint)
    return get_endpoint(workspace, name)


def start_endpoint(workspace: Workspace, name: str) -> Endpoint:
    """Roll out the config that was stopped again, under a new config_version [manage-serving-endpoints page].

    Raises ResourceConflict while an update is in progress, InvalidState when the endpoint is not stopped.
    """
    endpoint = _startable(workspace, name)
    if not endpoint.is_stopped or endpoint.stopped_version is None:
        raise InvalidState(f"Endpoint {name} is not stopped. Only a stopped endpoint can be started.")
    stopped = endpoint.configs.get(config_version=endpoint.stopped_version)
    entities = list(stopped.entities.all())
    with transaction.atomic():
        version = begin_update(endpoint)
        quotas.check_concurrency(workspace, entities, instead_of=endpoint)
        config = EndpointConfig.objects.create(
            endpoint=endpoint,
            config_version=version,
            routes=stopped.routes,
            auto_capture_config=stopped.auto_capture_config,
        )
        ServedEntity.objects.bulk_create([_again(entity, config) for entity in entities])
        events.of_endpoint(endpoint, version, events.ENDPOINT_STARTED, f"Config {stopped.config_version} starts as {version}.")
        afterwards.reconcile(endpoint)
    return get_endpoint(workspace, name)


def cancel_update(workspace: Workspace, name: str) -> Endpoint:
    """End the update in progress; the active config stays as it is [create-manage page: cancel].

    Raises InvalidState when no update is in progress, also when it ended a moment ago.
    """
    endpoint = own_endpoint(workspace, name)
    version = endpoint.pending_version or 0
    with transaction.atomic():
        canceled = Endpoint.objects.filter(id=endpoint.id, config_update=ConfigUpdate.IN_PROGRESS, pending_version=version)
        if not canceled.update(config_update=ConfigUpdate.UPDATE_CANCELED, published_version=None, updated_at=timezone.now()):
            raise InvalidState(f"Endpoint {name} has no update in progress that could be cancelled.")
        ServedEntity.objects.filter(config__endpoint=endpoint, config__config_version=version).exclude(
            deployment=Deployment.FAILED
        ).update(deployment=Deployment.ABORTED, deployment_state_message=CANCELED_MESSAGE, state_changed_at=timezone.now())
        events.of_endpoint(endpoint, version, events.CONFIG_UPDATE_CANCELED, CANCELED_MESSAGE)
        endpoint.published_version = None
        afterwards.reconcile(endpoint)
    return get_endpoint(workspace, name)


def _startable(workspace: Workspace, name: str) -> Endpoint:
    """An endpoint of custom models with no update in progress."""
    endpoint = own_endpoint(workspace, name)
    if endpoint.kind != EndpointKind.CUSTOM:
        raise InvalidParameterValue(
            f"Endpoint {name} serves {endpoint.kind} models. Only custom models can be stopped and started."
        )
    if endpoint.is_updating:
        raise ResourceConflict(
            f"Endpoint {name} is currently updating. Wait until its config_update is no longer IN_PROGRESS, or cancel the update."
        )
    return endpoint


COPIED = (
    "position", "name", "entity_name", "entity_version", "workload_size", "workload_type", "scale_to_zero_enabled",
    "min_provisioned_concurrency", "max_provisioned_concurrency", "environment_vars", "instance_profile_arn",
)  # fmt: skip


def _again(entity: ServedEntity, config: EndpointConfig) -> ServedEntity:
    """The same entity for another config, not deployed yet."""
    return ServedEntity(id=new_id(), config=config, **{name: getattr(entity, name) for name in COPIED})
