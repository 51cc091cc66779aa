"""A config on its way in: its models or keys, then its replicas, then the moment in which it becomes the active one."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from sandbox import live
from sandbox.connections import redis_client
from sandbox.errors import ApiError
from sandbox.serving import compute, events, lineage, lookup_plans, model_builds, nodes, snapshot
from sandbox.serving.entity_environment import is_feature_tracing_on
from sandbox.serving.entity_steps import keep_running, move, say
from sandbox.serving.models import (
    BuildStatus,
    ConfigUpdate,
    Deployment,
    Endpoint,
    EndpointConfig,
    EndpointKind,
    ModelBuild,
    ServedEntity,
)
from sandbox.workspaces.secret_store import resolve

START_TIMEOUT = timedelta(minutes=5)
"""After the build; Databricks waits 30 minutes for a CPU container [model-serving-timeouts page]."""
SPEC_RUNTIME = "spec"
NO_NODE = "No node is running that could start a replica."
NO_ROOM = "No node has room for a replica of this model; it waits until another one stops."


def roll_out(endpoint: Endpoint, living: nodes.Nodes) -> None:
    """Bring each entity of the pending config to READY, then activate the config; one failure ends the update."""
    config = endpoint.configs.filter(config_version=endpoint.pending_version or 0).first()
    if config is None:
        return  # the row changed since it was read
    entities = list(config.entities.select_related("build", "config"))
    for entity in entities:
        if entity.deployment == Deployment.CREATING:
            _deploy(endpoint, entity, living)
    states = {entity.deployment for entity in entities}
    if Deployment.FAILED in states:
        _fail(endpoint, config, entities)
    elif states == {Deployment.READY}:
        _activate(endpoint, config)


def _deploy(endpoint: Endpoint, entity: ServedEntity, living: nodes.Nodes) -> None:
    """The next step of one entity: its model or key, then a replica."""
    if endpoint.kind == EndpointKind.EXTERNAL:
        _check_key(endpoint, entity)
    elif _is_built(endpoint, entity) and _knows_lookups(endpoint, entity):
        _wait_for_replicas(endpoint, entity, living)


def _check_key(endpoint: Endpoint, entity: ServedEntity) -> None:
    """An external model needs no replica, but a key that can be read."""
    reference = entity.external_model.get("openai_config", {}).get("openai_api_key")
    try:
        if reference:
            resolve(endpoint.workspace, reference)
    except ApiError as error:
        move(entity, Deployment.FAILED, error.message)
        return
    move(entity, Deployment.READY)


def _is_built(endpoint: Endpoint, entity: ServedEntity) -> bool:
    """Whether the model file is there; sees to it that somebody makes it."""
    if entity.model_sha256 or entity.runtime == SPEC_RUNTIME:
        return True
    if entity.is_feature_spec:
        entity.runtime = SPEC_RUNTIME
        ServedEntity.objects.filter(id=entity.id).update(runtime=SPEC_RUNTIME, state_changed_at=timezone.now())
        return True
    try:
        build = entity.build or _open_build(endpoint, entity)
    except ApiError as error:
        move(entity, Deployment.FAILED, error.message)
        return False
    if build.status in {BuildStatus.WAITING, BuildStatus.BUILDING}:
        build = model_builds.move_on(build)
    if build.status == BuildStatus.FAILED:
        move(entity, Deployment.FAILED, build.message)
    elif build.status == BuildStatus.READY:
        entity.model_sha256, entity.runtime = build.model_sha256, build.runtime
        ServedEntity.objects.filter(id=entity.id).update(
            model_sha256=entity.model_sha256, runtime=entity.runtime, state_changed_at=timezone.now()
        )
    else:
        say(entity, "The model is being built." if build.status == BuildStatus.BUILDING else "The model waits to be built.")
    return build.status == BuildStatus.READY


def _open_build(endpoint: Endpoint, entity: ServedEntity) -> ModelBuild:
    build = model_builds.find_or_open(endpoint.workspace, entity.entity_name, entity.entity_version)
    ServedEntity.objects.filter(id=entity.id, build=None).update(build=build)
    return build


def _knows_lookups(endpoint: Endpoint, entity: ServedEntity) -> bool:
    """Whether it is known which features the model looks up, and where."""
    if entity.lookups is not None or endpoint.kind != EndpointKind.CUSTOM:
        return True
    try:
        plan = lookup_plans.find(
            endpoint.workspace, entity.entity_name, entity.entity_version, is_traced=is_feature_tracing_on(entity)
        )
    except lookup_plans.NotYet as waits:
        say(entity, str(waits))
        return False
    except ApiError as error:
        move(entity, Deployment.FAILED, error.message)
        return False
    found = plan.to_dict() if plan else {}
    with transaction.atomic():
        if ServedEntity.objects.filter(id=entity.id, lookups__isnull=True).update(lookups=found) and plan:
            events.of_entity(entity, events.LOOKUPS_FOUND, plan.sentence())
    entity.lookups = found
    return True


def _wait_for_replicas(endpoint: Endpoint, entity: ServedEntity, living: nodes.Nodes) -> None:
    running = nodes.running(entity.id, living)
    there = len(running)
    if not there and (reason := live.failure(redis_client(), entity.id)):
        move(entity, Deployment.FAILED, reason)
        return
    placed = keep_running(endpoint, entity, there, living)
    if there and there >= placed:
        move(entity, Deployment.READY, compute.state_message(entity, living, running))
    elif timezone.now() - entity.state_changed_at > START_TIMEOUT:
        move(entity, Deployment.FAILED, f"No replica was ready within {START_TIMEOUT.seconds // 60} minutes after the build.")
    else:
        say(entity, "A replica is starting." if placed else NO_ROOM if living else NO_NODE)


def _activate(endpoint: Endpoint, config: EndpointConfig) -> None:
    """From here on the new config answers; what is left to do is found by `settle`, whoever calls it.

    Gateways are told before the row is changed, because whoever reads READY may call in the same moment. Until the old
    replicas are stopped both configs can answer, so a death between the two lines does no harm.
    """
    snapshot.announce(endpoint, config)
    with transaction.atomic():
        moved = Endpoint.objects.filter(
            id=endpoint.id, pending_version=config.config_version, config_update=ConfigUpdate.IN_PROGRESS
        ).update(
            active_version=config.config_version,
            pending_version=None,
            task=snapshot.task_of(endpoint, config),
            config_update=ConfigUpdate.NOT_UPDATING,
            published_version=None,
        )
        if moved:
            events.of_endpoint(endpoint, config.config_version, events.CONFIG_UPDATE_FINISHED, "The config is active.")
            lineage.record(endpoint, config)
    if not moved:
        snapshot.sync(endpoint.workspace_id, endpoint.name)  # deleted or activated by somebody else


def _fail(endpoint: Endpoint, config: EndpointConfig, entities: Sequence[ServedEntity]) -> None:
    """The update ends; the active config, if there is one, is not touched."""
    failed = next(entity for entity in entities if entity.deployment == Deployment.FAILED)
    with transaction.atomic():
        moved = Endpoint.objects.filter(
            id=endpoint.id, pending_version=config.config_version, config_update=ConfigUpdate.IN_PROGRESS
        ).update(config_update=ConfigUpdate.UPDATE_FAILED, published_version=None)
        if not moved:
            return
        message = f"Served entity {failed.name} failed: {failed.deployment_state_message}"
        events.of_endpoint(endpoint, config.config_version, events.CONFIG_UPDATE_FAILED, message)
        for entity in entities:
            if entity.deployment != Deployment.FAILED:
                move(entity, Deployment.ABORTED, f"Stopped because {failed.name} failed.")
