"""The two logs of a served entity: how its model was built, and what its replicas did and printed."""

from datetime import UTC, datetime

from redis.exceptions import RedisError

from sandbox import service_logs
from sandbox.connections import redis_client
from sandbox.serving.models import DeploymentEvent, ServedEntity

MAX_EVENTS = 500
MAX_LOG_CHARACTERS = 1_000_000
"""Of the service log, its end; a model can print lines of any length."""
Line = tuple[datetime, str]


def build_log(entity: ServedEntity) -> str:
    """What the build printed; before it ends, and for models that are not built, one sentence."""
    if entity.build is None:
        return "Nothing is built for this served entity."
    return entity.build.log or f"The build is {entity.build.status}."


def service_log(entity: ServedEntity) -> str:
    """Changes of state and what the model wrote to its standard output and error, by time; ephemeral, as there.

    `entity.config` must be loaded. Without Redis only the changes of state are shown.
    """
    lines = sorted(_events(entity) + _printed(entity), key=lambda line: line[0])
    return "".join(f"{at:%Y-%m-%dT%H:%M:%S.%fZ} {text}".rstrip() + "\n" for at, text in lines)[-MAX_LOG_CHARACTERS:]


def _events(entity: ServedEntity) -> list[Line]:
    found = DeploymentEvent.objects.filter(
        endpoint_id=entity.config.endpoint_id,
        served_entity_name=entity.name,
        config_version=entity.config.config_version,
    )
    newest = found.order_by("-at", "-id")[:MAX_EVENTS]
    return [(event.at, f"{event.type} {event.message}") for event in reversed(newest)]


def _printed(entity: ServedEntity) -> list[Line]:
    try:
        printed = service_logs.lines(redis_client(), entity.id)
    except RedisError:
        return []
    return [(datetime.fromtimestamp(line.at_s, tz=UTC), f"[{line.replica_id}] {line.text}") for line in printed]
