"""What a workspace may have: endpoints, and provisioned concurrency of its custom models [docs: model-serving-limits page].

The numbers are settings. Stopped endpoints do not count [manage-serving-endpoints page].
"""

from collections.abc import Iterable

from django.conf import settings
from django.db.models import F

from sandbox.errors import ResourceExhausted
from sandbox.serving.autoscaling import SIZES
from sandbox.serving.inputs import EntityInput
from sandbox.serving.models import ConfigUpdate, Endpoint, EndpointKind, ServedEntity
from sandbox.workspaces.models import Workspace


def check_endpoints(workspace: Workspace) -> None:
    """Room for one more endpoint. Raises ResourceExhausted."""
    limit = settings.MAX_ENDPOINTS_PER_WORKSPACE
    if Endpoint.objects.filter(workspace=workspace).count() >= limit:
        raise ResourceExhausted(f"A workspace may have at most {limit} serving endpoints. Delete one first.")


def check_concurrency(
    workspace: Workspace, asked: Iterable[EntityInput | ServedEntity], instead_of: Endpoint | None = None
) -> None:
    """Room for the upper ends of these entities beside all other endpoints. Raises ResourceExhausted.

    The config that an update replaces is not counted: both run for a while, as there.
    """
    limit = settings.MAX_CONCURRENCY_PER_WORKSPACE
    more = sum(highest_concurrency(entity) for entity in asked)
    used = _in_use(workspace, instead_of)
    if used + more > limit:
        raise ResourceExhausted(
            f"Workspace exceeded provisioned concurrency quota: {used} of {limit} are in use by other endpoints, and this "
            f"config may scale up to {more}. Delete or stop an endpoint, or give smaller sizes."
        )


def highest_concurrency(entity: EntityInput | ServedEntity) -> int:
    """Requests at the same time that the entity may scale up to; 0 for an external model."""
    if entity.external_model:
        return 0
    if entity.max_provisioned_concurrency is not None:
        return entity.max_provisioned_concurrency
    return SIZES.get(entity.workload_size, SIZES["Small"])[1]


def _in_use(workspace: Workspace, without: Endpoint | None) -> int:
    """Of each other endpoint the config that rolls out, else the active one."""
    others = Endpoint.objects.filter(workspace=workspace, kind=EndpointKind.CUSTOM)
    if without is not None:
        others = others.exclude(id=without.id)
    entities = ServedEntity.objects.filter(config__endpoint__in=others)
    updating = entities.filter(
        config__endpoint__config_update=ConfigUpdate.IN_PROGRESS, config__config_version=F("config__endpoint__pending_version")
    )
    settled = entities.exclude(config__endpoint__config_update=ConfigUpdate.IN_PROGRESS).filter(
        config__config_version=F("config__endpoint__active_version")
    )
    fields = ("workload_size", "max_provisioned_concurrency", "external_model")
    return sum(highest_concurrency(entity) for found in (updating, settled) for entity in found.only(*fields))
