"""The record of what happened to an endpoint: written with each change of state, read by the events page and the labs."""

from datetime import timedelta

from django.utils import timezone

from sandbox.serving import notifications
from sandbox.serving.models import DeploymentEvent, Endpoint, ServedEntity

ENDPOINT_CREATED = "ENDPOINT_CREATED"
CONFIG_UPDATE_STARTED = "CONFIG_UPDATE_STARTED"
CONFIG_UPDATE_FINISHED = "CONFIG_UPDATE_FINISHED"
CONFIG_UPDATE_FAILED = "CONFIG_UPDATE_FAILED"
CONFIG_UPDATE_CANCELED = "CONFIG_UPDATE_CANCELED"
ENDPOINT_STOPPED = "ENDPOINT_STOPPED"
ENDPOINT_STARTED = "ENDPOINT_STARTED"
CONTAINER_EVENT = "SERVED_ENTITY_CONTAINER_EVENT"
"""The build of a model began or ended [model-serving-debug page]."""
SCALED_UP = "SCALED_UP"
SCALED_DOWN = "SCALED_DOWN"
SCALED_TO_ZERO = "SCALED_TO_ZERO"
SCALED_FROM_ZERO = "SCALED_FROM_ZERO"
REPLICA_MOVES = "REPLICA_MOVES"
LOOKUPS_FOUND = "FEATURE_LOOKUPS_FOUND"
"""What the entity looks up before its model is asked."""
LOOKUPS_BROKEN = "FEATURE_LOOKUPS_BROKEN"
LOOKUPS_RESTORED = "FEATURE_LOOKUPS_RESTORED"

NOTIFIED = {CONFIG_UPDATE_FINISHED: "on_update_success", CONFIG_UPDATE_FAILED: "on_update_failure"}
"""Who of `email_notifications` is told of an event."""


KEPT = timedelta(days=90)


def of_endpoint(endpoint: Endpoint, config_version: int, type_: str, message: str = "") -> None:
    DeploymentEvent.objects.create(endpoint=endpoint, config_version=config_version, type=type_, message=message)
    if type_ in NOTIFIED:
        notifications.write(endpoint, NOTIFIED[type_], config_version, message)


def of_entity(entity: ServedEntity, type_: str, message: str = "") -> None:
    """`entity.config` must be loaded, so that this writes and does not read."""
    DeploymentEvent.objects.create(
        endpoint_id=entity.config.endpoint_id,
        served_entity_name=entity.name,
        config_version=entity.config.config_version,
        type=type_,
        message=message,
    )


def prune() -> None:
    """Drop what happened long ago; an endpoint that scales up and down all day adds some hundred a day."""
    DeploymentEvent.objects.filter(at__lt=timezone.now() - KEPT).delete()
