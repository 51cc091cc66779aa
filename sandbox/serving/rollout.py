"""The reconciler: brings an endpoint one step nearer to what its rows ask for, and may be called at any time, twice at once.

Every change of state is a guarded UPDATE whose row count decides who made it; every message to a node or a gateway may
be sent again without harm. So a process that dies between two lines leaves nothing that the next call cannot go on from.

Nothing here waits. A build that ends, a replica that is ready or gone, and a tick each second call again.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from sandbox import live
from sandbox.connections import redis_client
from sandbox.errors import ApiError, TemporarilyUnavailable
from sandbox.serving import compute, events, lineage, model_builds, nodes, rebalancing, snapshot
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

log = logging.getLogger(__name__)

START_TIMEOUT = timedelta(minutes=5)
"""After the build; Databricks waits 30 minutes for a CPU container [model-serving-timeouts page]."""
WAKE_AGAIN = timedelta(seconds=2)
SCALED_TO_ZERO_MESSAGE = "Scaled to zero"

NO_NODE = "No node is running that could start a replica."
NO_ROOM = "No node has room for a replica of this model; it waits until another one stops."


def reconcile(endpoint_id: str) -> None:
    """Do the next short steps of one endpoint: its rollout, the health of what it serves, the end of what it served."""
    try:
        _do_next_steps(endpoint_id)
    except IntegrityError:
        if _load(endpoint_id) is not None:
            raise
        log.info("endpoint %s was deleted meanwhile", endpoint_id)


def _do_next_steps(endpoint_id: str) -> None:
    endpoint = _load(endpoint_id)
    living = nodes.living_nodes()
    if endpoint is not None and endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        roll_out(endpoint, living)
        endpoint = _load(endpoint_id)
    if endpoint is not None:
        keep_serving(endpoint, living)
        settle(endpoint)


def wake(entity_id: str) -> None:
    """An invocation waits for a replica of this entity: ask a node at once, write things down afterwards."""
    entity = ServedEntity.objects.select_related("config__endpoint").filter(id=entity_id).first()
    if entity is None or entity.config.config_version != entity.config.endpoint.active_version:
        return
    asked = entity.start_sent_at
    if not entity.is_at_zero and asked is not None and timezone.now() - asked < WAKE_AGAIN:
        return
    living = nodes.living_nodes()
    if nodes.has_replica(entity.id, living) or live.failure(redis_client(), entity.id):
        return
    nodes.keep_running(entity, _runtime(entity.config.endpoint, entity), _to_wake(entity), living, again=not entity.is_at_zero)
    if ServedEntity.objects.filter(id=entity.id, is_at_zero=True).update(
        is_at_zero=False, deployment_state_message="", state_changed_at=timezone.now()
    ):
        events.of_entity(entity, events.SCALED_FROM_ZERO, "An invocation asked for a replica.")


def replica_changed(entity_id: str) -> None:
    """A node reports that a replica of the entity is ready, gone or has failed."""
    entity = ServedEntity.objects.select_related("config").filter(id=entity_id).first()
    if entity is None or entity.config.retired_at is not None:
        nodes.stop(entity_id)  # it came up after the last need for it had gone
        return
    if not nodes.has_replica(entity_id, nodes.living_nodes()):
        # what was asked for has come and gone; what was asked for just now is still to come, and this is its predecessor's end
        asked_long_ago = ServedEntity.objects.filter(id=entity_id, start_sent_at__lt=timezone.now() - WAKE_AGAIN)
        asked_long_ago.update(start_sent_at=None)
    reconcile(entity.config.endpoint_id)


# --- a config on its way in --------------------------------------------------------------------


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
    elif _is_built(endpoint, entity):
        _wait_for_replicas(endpoint, entity, living)


def _check_key(endpoint: Endpoint, entity: ServedEntity) -> None:
    """An external model needs no replica, but a key that can be read."""
    reference = entity.external_model.get("openai_config", {}).get("openai_api_key")
    try:
        if reference:
            resolve(endpoint.workspace, reference)
    except ApiError as error:
        _move(entity, Deployment.FAILED, error.message)
        return
    _move(entity, Deployment.READY)


def _is_built(endpoint: Endpoint, entity: ServedEntity) -> bool:
    """Whether the model file is there; sees to it that somebody makes it."""
    if entity.model_sha256:
        return True
    try:
        build = entity.build or _open_build(endpoint, entity)
    except TemporarilyUnavailable as error:
        _say(entity, error.message)
        return False
    except ApiError as error:
        _move(entity, Deployment.FAILED, error.message)
        return False
    if build.status in {BuildStatus.WAITING, BuildStatus.BUILDING}:
        build = model_builds.move_on(build)
    if build.status == BuildStatus.FAILED:
        _move(entity, Deployment.FAILED, build.message)
    elif build.status == BuildStatus.READY:
        entity.model_sha256, entity.runtime = build.model_sha256, build.runtime
        ServedEntity.objects.filter(id=entity.id).update(
            model_sha256=entity.model_sha256, runtime=entity.runtime, state_changed_at=timezone.now()
        )
    else:
        _say(entity, "The model is being built." if build.status == BuildStatus.BUILDING else "The model waits to be built.")
    return build.status == BuildStatus.READY


def _open_build(endpoint: Endpoint, entity: ServedEntity) -> ModelBuild:
    build = model_builds.find_or_open(endpoint.workspace, entity.entity_name, entity.entity_version)
    ServedEntity.objects.filter(id=entity.id, build=None).update(build=build)
    return build


def _wait_for_replicas(endpoint: Endpoint, entity: ServedEntity, living: nodes.Nodes) -> None:
    running = nodes.running(entity.id, living)
    there = len(running)
    if not there and (reason := live.failure(redis_client(), entity.id)):
        _move(entity, Deployment.FAILED, reason)
        return
    placed = _keep_running(endpoint, entity, there, living)
    if there and there >= placed:
        _move(entity, Deployment.READY, compute.state_message(entity, living, running))
    elif timezone.now() - entity.state_changed_at > START_TIMEOUT:
        _move(entity, Deployment.FAILED, f"No replica was ready within {START_TIMEOUT.seconds // 60} minutes after the build.")
    else:
        _say(entity, "A replica is starting." if placed else NO_ROOM if living else NO_NODE)


def _keep_running(endpoint: Endpoint, entity: ServedEntity, there: int, living: nodes.Nodes) -> int:
    """Ask for what the entity should have and does not; returns how many replicas there is room for."""
    runtime, wanted = _runtime(endpoint, entity), compute.wanted_replicas(entity) + rebalancing.beyond(entity.id)
    placed = nodes.keep_running(entity, runtime, wanted, living)
    if there != placed and not nodes.is_on_its_way(entity, living):
        nodes.keep_running(entity, runtime, wanted, living, again=True)
    return placed


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
                _move(entity, Deployment.ABORTED, f"Stopped because {failed.name} failed.")


# --- the active config -------------------------------------------------------------------------


def keep_serving(endpoint: Endpoint, living: nodes.Nodes) -> None:
    """Give each entity of the active config the replica it should have, and write down how it is."""
    if endpoint.active_version is None or endpoint.kind == EndpointKind.EXTERNAL:
        return
    active = ServedEntity.objects.select_related("config").filter(
        config__endpoint=endpoint, config__config_version=endpoint.active_version
    )
    for entity in active:
        if not entity.is_at_zero:
            _keep_entity(endpoint, entity, living)


def _keep_entity(endpoint: Endpoint, entity: ServedEntity, living: nodes.Nodes) -> None:
    """One replica is enough to be READY; those that lack are asked for, those that are too many are stopped.

    A node starts a replica that died by itself; if that node is gone too, another one does.
    """
    running = nodes.running(entity.id, living)
    there = len(running)
    if there:
        message = compute.state_message(entity, living, running)
        _move(entity, Deployment.READY, message)
        _say(entity, message)
    elif reason := live.failure(redis_client(), entity.id):
        _move(entity, Deployment.FAILED, reason)
        return
    elif entity.deployment == Deployment.READY and entity.start_sent_at is None:  # else it was woken from zero: nothing is lost
        _move(entity, Deployment.RECOVERING, "The replica is gone; another one is starting.")
    if there == _keep_running(endpoint, entity, there, living) > 0:
        _note_arrival(entity)
        if rebalancing.arrived(entity.id):
            _keep_running(endpoint, entity, there, living)  # its predecessor drains


def _note_arrival(entity: ServedEntity) -> None:
    """The replicas that were asked for are there: should they vanish, that is a loss."""
    if entity.start_sent_at is not None:
        ServedEntity.objects.filter(id=entity.id, start_sent_at=entity.start_sent_at).update(start_sent_at=None)


def scale_to_zero(entity: ServedEntity) -> None:
    """Give up the replicas of an idle entity. The row goes first, so that nobody starts it again meanwhile."""
    with transaction.atomic():
        moved = ServedEntity.objects.filter(id=entity.id, is_at_zero=False, deployment=Deployment.READY).update(
            is_at_zero=True,
            deployment_state_message=SCALED_TO_ZERO_MESSAGE,
            start_sent_at=None,
            placement={},
            asked_replicas=0,
            window_replicas=0,
            window_started_at=None,
        )
        if moved:
            events.of_entity(entity, events.SCALED_TO_ZERO, "No invocation for the idle time of scale-to-zero.")
    nodes.stop(entity.id, entity.placement)


# --- afterwards --------------------------------------------------------------------------------


def settle(endpoint: Endpoint) -> None:
    """Tell gateways what is active, then stop what is not: in this order, so that no request meets a stopped replica."""
    if endpoint.published_version is not None:
        return
    snapshot.sync(endpoint.workspace_id, endpoint.name)
    for config in _replaced_configs(endpoint):
        for entity_id, placement in config.entities.values_list("id", "placement"):
            nodes.stop(entity_id, placement)
        EndpointConfig.objects.filter(id=config.id).update(retired_at=timezone.now())
    Endpoint.objects.filter(
        id=endpoint.id,
        active_version=endpoint.active_version,
        pending_version=endpoint.pending_version,
        config_update=endpoint.config_update,
        updated_at=endpoint.updated_at,
    ).update(published_version=endpoint.active_version or 0)


def _replaced_configs(endpoint: Endpoint) -> list[EndpointConfig]:
    """Configs whose replicas nobody needs any more; newer ones than this reader knows of are none of its business."""
    needed = [endpoint.active_version]
    if endpoint.config_update == ConfigUpdate.IN_PROGRESS:
        needed.append(endpoint.pending_version)
    kept = [version for version in needed if version is not None]
    old = endpoint.configs.filter(retired_at=None, config_version__lte=endpoint.latest_version)
    return list(old.exclude(config_version__in=kept))


# --- leaves ------------------------------------------------------------------------------------


def _runtime(endpoint: Endpoint, entity: ServedEntity) -> str:
    """What its build says that it needs, else what its kind of endpoint does."""
    return entity.runtime or snapshot.RUNTIMES[endpoint.kind]


def _to_wake(entity: ServedEntity) -> int:
    """How many replicas to start for an entity that nobody serves; the row may still say that none is wanted."""
    return max(1, compute.wanted_replicas(entity))


def _load(endpoint_id: str) -> Endpoint | None:
    return Endpoint.objects.select_related("workspace").filter(id=endpoint_id).first()


def _move(entity: ServedEntity, to: Deployment, message: str = "") -> None:
    """Change the entity's state if it is still what was read; exactly one caller writes the event."""
    if entity.deployment == to:
        return
    with transaction.atomic():
        moved = ServedEntity.objects.filter(id=entity.id, deployment=entity.deployment).update(
            deployment=to, deployment_state_message=message, state_changed_at=timezone.now()
        )
        if moved:
            events.of_entity(entity, to, message)
    if moved:
        entity.deployment, entity.deployment_state_message = to, message
    else:
        entity.refresh_from_db(fields=["deployment", "deployment_state_message"])


def _say(entity: ServedEntity, message: str) -> None:
    """Keep the sentence beside the state up to date; not an event."""
    if entity.deployment_state_message != message:
        ServedEntity.objects.filter(id=entity.id, deployment=entity.deployment).update(deployment_state_message=message)
        entity.deployment_state_message = message
