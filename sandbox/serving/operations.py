"""Create, read, update and delete endpoints, one function for each operation, each within the caller's workspace.

Who may call which is decided before, by `access`.
"""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Prefetch, Q, QuerySet
from django.utils import timezone

from sandbox import live
from sandbox.errors import (
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
)
from sandbox.serving import afterwards, config_checks, events, payload_tables, permissions, quotas, rate_limits, telemetry
from sandbox.serving.config_checks import Builds
from sandbox.serving.inputs import ConfigInput, EndpointInput, EntityInput
from sandbox.serving.models import (
    ConfigUpdate,
    DeploymentEvent,
    Endpoint,
    EndpointConfig,
    EndpointKind,
    ModelBuild,
    ServedEntity,
)
from sandbox.workspaces.encryption import encrypt
from sandbox.workspaces.models import User, Workspace

READ_ATTEMPTS = 3


def create_endpoint(workspace: Workspace, creator: str, asked: EndpointInput, user: User | None = None) -> Endpoint:
    """A new endpoint whose first config begins to roll out. `creator` is the name of `user`, who may manage it.

    Raises ResourceAlreadyExists, ResourceDoesNotExist (no such model version or principal), InvalidParameterValue (no such
    secret).
    """
    if Endpoint.objects.filter(workspace=workspace, name=asked.name).exists():
        raise _already_exists(asked.name)
    rate_limits.check(workspace, asked.ai_gateway)
    builds = config_checks.find_builds(workspace, asked.config)
    kept = telemetry.applied(workspace, asked.telemetry_config) if asked.config.kind == EndpointKind.CUSTOM else {}
    try:
        with transaction.atomic():
            quotas.check_endpoints(workspace)
            quotas.check_concurrency(workspace, asked.config.entities)
            endpoint = Endpoint.objects.create(
                workspace=workspace,
                name=asked.name,
                kind=asked.config.kind,
                task=asked.config.task,
                creator=creator,
                description=asked.description,
                tags=list(asked.tags),
                ai_gateway=asked.ai_gateway,
                email_notifications=asked.email_notifications,
                telemetry_config=kept,
                budget_policy_id=asked.budget_policy_id,
                route_optimized=asked.route_optimized,
                pending_version=1,
                latest_version=1,
            )
            chosen = telemetry.capture(kept) or asked.config.auto_capture_config
            payload_tables.check_is_free(workspace, asked.name, asked.ai_gateway, chosen)
            _add_config(endpoint, 1, asked.config, builds)
            permissions.give_creator(endpoint, user)
            events.of_endpoint(endpoint, 1, events.ENDPOINT_CREATED, f"Created by {creator}.")
            afterwards.reconcile(endpoint)
    except IntegrityError:
        if Endpoint.objects.filter(workspace=workspace, name=asked.name).exists():
            raise _already_exists(asked.name) from None
        raise
    return endpoint


def get_endpoint(workspace: Workspace, name: str) -> Endpoint:
    """One of the workspace's endpoints, or a preconfigured one. Raises ResourceDoesNotExist."""
    found = _read_whole(_visible(workspace).filter(name=name))
    if not found:
        raise does_not_exist(name)
    return found[0]


def list_endpoints(workspace: Workspace) -> list[Endpoint]:
    """The workspace's endpoints by name, and the preconfigured ones that everybody sees."""
    return _read_whole(_visible(workspace))


def _visible(workspace: Workspace) -> QuerySet[Endpoint]:
    visible = Q(workspace=workspace) | Q(workspace_id=live.SYSTEM_WORKSPACE)
    versions = ("active_version", "pending_version", "stopped_version")
    shown = Q(*(("config_version", F(f"endpoint__{name}")) for name in versions), _connector=Q.OR)
    configs = Prefetch("configs", EndpointConfig.objects.filter(shown).prefetch_related("entities"))
    return Endpoint.objects.select_related("workspace").prefetch_related(configs).filter(visible).order_by("name")


def _read_whole(wanted: QuerySet[Endpoint]) -> list[Endpoint]:
    """Rows and their configs are read one after the other: those that do not fit are read again.

    They do not fit when another config became active or began to roll out in between; shown as they are, an endpoint that
    answers would look as if it had no active config.
    """
    found = list(wanted)
    for _ in range(READ_ATTEMPTS - 1):
        torn = [endpoint.id for endpoint in found if not _is_whole(endpoint)]
        if not torn:
            break
        again = {endpoint.id: endpoint for endpoint in wanted.filter(id__in=torn)}
        found = [again.get(e.id, e) if e.id in torn else e for e in found]
        found = [e for e in found if e.id not in torn or e.id in again]  # deleted meanwhile
    return found


def _is_whole(endpoint: Endpoint) -> bool:
    there = {config.config_version for config in endpoint.configs.all()}
    named = {endpoint.shown_version, endpoint.pending_version}
    return named - {None} <= there


def update_config(workspace: Workspace, name: str, asked: ConfigInput) -> Endpoint:
    """Begin to roll out a new config beside the active one, which keeps answering until the new one is ready.

    Of two updates at the same time one wins and the other raises ResourceConflict.
    """
    endpoint = own_endpoint(workspace, name)
    config_checks.check_change(endpoint, asked)
    builds = config_checks.find_builds(workspace, asked)
    with transaction.atomic():
        version = begin_update(endpoint)
        chosen = telemetry.capture(endpoint.telemetry_config) or asked.auto_capture_config
        payload_tables.check_is_free(workspace, name, endpoint.ai_gateway, chosen)
        quotas.check_concurrency(workspace, asked.entities, instead_of=endpoint)
        _add_config(endpoint, version, asked, builds)
        events.of_endpoint(endpoint, version, events.CONFIG_UPDATE_STARTED, f"Config {version} begins to roll out.")
        afterwards.reconcile(endpoint)
    return get_endpoint(workspace, name)


def delete_endpoint(workspace: Workspace, name: str) -> None:
    """End the endpoint at once. Its inference table stays: it belongs to the catalog."""
    endpoint = own_endpoint(workspace, name)
    with transaction.atomic():
        placements = dict(ServedEntity.objects.filter(config__endpoint=endpoint).values_list("id", "placement"))
        afterwards.take_away(endpoint, placements)
        endpoint.delete()


def served_entity(workspace: Workspace, name: str, served_name: str, config_version: int | None = None) -> ServedEntity:
    """The entity of that name in a config, by default the newest that has it. Raises ResourceDoesNotExist."""
    endpoint = get_endpoint(workspace, name)
    named = ServedEntity.objects.select_related("build", "config").filter(config__endpoint=endpoint, name=served_name)
    if config_version is not None:
        named = named.filter(config__config_version=config_version)
    entity = named.order_by("-config__config_version").first()
    if entity is None:
        where = f"endpoint {name}" if config_version is None else f"config version {config_version} of endpoint {name}"
        raise ResourceDoesNotExist(f"Served entity with name {served_name} not found in {where}.")
    return entity


def deployment_events(endpoint: Endpoint, since: timedelta | None = None) -> QuerySet[DeploymentEvent]:
    """What happened to the endpoint, oldest first."""
    found = DeploymentEvent.objects.filter(endpoint=endpoint)
    return found if since is None else found.filter(at__gte=timezone.now() - since)


# --- steps -------------------------------------------------------------------------------------


def own_endpoint(workspace: Workspace, name: str) -> Endpoint:
    """An endpoint that the caller may change."""
    endpoint = get_endpoint(workspace, name)
    if endpoint.workspace_id != workspace.id:
        raise PermissionDenied(f"Endpoint {name} is preconfigured: it can be queried, but not changed or deleted.")
    return endpoint


def locked(endpoint: Endpoint) -> Endpoint:
    """The row as it is now, kept from others until the transaction ends (SQLite: the whole database is)."""
    row = Endpoint.objects.select_for_update().filter(id=endpoint.id).first()
    if row is None:
        raise does_not_exist(endpoint.name)
    return row


def begin_update(endpoint: Endpoint) -> int:
    """Let the endpoint's next config roll out, inside a transaction; returns its number. Raises ResourceConflict.

    The guarded UPDATE decides between two that come at the same time.
    """
    begun = (
        Endpoint.objects.filter(id=endpoint.id)
        .exclude(config_update=ConfigUpdate.IN_PROGRESS)
        .update(
            config_update=ConfigUpdate.IN_PROGRESS,
            pending_version=F("latest_version") + 1,
            latest_version=F("latest_version") + 1,
            updated_at=timezone.now(),
        )
    )
    if not begun:
        raise conflict_or_gone(endpoint)
    return Endpoint.objects.values_list("latest_version", flat=True).get(id=endpoint.id)


def _add_config(endpoint: Endpoint, version: int, asked: ConfigInput, builds: Builds) -> None:
    config = EndpointConfig.objects.create(
        endpoint=endpoint,
        config_version=version,
        routes=list(asked.routes),
        auto_capture_config=asked.auto_capture_config,
    )
    ServedEntity.objects.bulk_create(
        [_entity_row(config, position, entity, builds.get(entity.name)) for position, entity in enumerate(asked.entities)]
    )


def _entity_row(config: EndpointConfig, position: int, asked: EntityInput, build: ModelBuild | None) -> ServedEntity:
    return ServedEntity(
        config=config,
        position=position,
        name=asked.name,
        entity_name=asked.entity_name,
        entity_version=asked.entity_version,
        workload_size=asked.workload_size,
        workload_type=asked.workload_type,
        scale_to_zero_enabled=asked.scale_to_zero_enabled,
        min_provisioned_concurrency=asked.min_provisioned_concurrency,
        max_provisioned_concurrency=asked.max_provisioned_concurrency,
        environment_vars=asked.environment_vars,
        instance_profile_arn=asked.instance_profile_arn,
        external_model=asked.external_model,
        external_secrets={name: encrypt(value) for name, value in asked.plain_secrets.items()},
        build=build,
    )


def conflict_or_gone(endpoint: Endpoint) -> ResourceConflict | ResourceDoesNotExist:
    if not Endpoint.objects.filter(id=endpoint.id).exists():
        return does_not_exist(endpoint.name)
    return ResourceConflict(
        f"Endpoint {endpoint.name} is currently updating. Wait until its config_update is no longer IN_PROGRESS."
    )


def _already_exists(name: str) -> ResourceAlreadyExists:
    return ResourceAlreadyExists(f"Serving endpoint with name {name} already exists.")


def does_not_exist(name: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"Serving endpoint with name {name} not found.")
