"""Moves replicas to nodes that have less to do, one after the other.

While a move is under way its entity asks for one replica more than it needs. Placement puts that one on the emptier node; when it
takes requests, the entity asks for one less again, and placement takes one from the fuller node, which drains. So there is never
less than what is provisioned, and a move that dies at any point ends by itself with the key that says it is under way.
"""

from django.db.models import F

from sandbox import metrics
from sandbox.connections import redis_client
from sandbox.serving import events, nodes
from sandbox.serving.models import ConfigUpdate, Deployment, EndpointKind, ServedEntity

MOVE_KEY = "control:move"
"""Id of the entity whose replica is moving; there is one at a time."""
MOVE_S = 60
"""A replica that did not come up within this time is given up."""
RESTING_KEY = "control:moved:{entity_id}"
REST_S = 300
"""An entity that was moved stays for this time, whatever comes and goes meanwhile."""


def begin() -> list[str]:
    """Start the next move, if one is due; returns the endpoint to reconcile. Safe to run twice at once."""
    living = nodes.living_nodes()
    redis = redis_client()
    if len(living) < 2 or redis.exists(MOVE_KEY):
        return []
    move = nodes.to_be_moved(_movable(), living)
    if move is None:
        return []
    entity, source, to = move
    if not redis.set(MOVE_KEY, entity.id, nx=True, ex=MOVE_S):
        return []
    redis.set(RESTING_KEY.format(entity_id=entity.id), to, ex=REST_S)
    events.of_entity(entity, events.REPLICA_MOVES, f"A replica moves from {source} to {to}, which has less to do.")
    return [entity.config.endpoint_id]


def beyond(entity_id: str) -> int:
    """How many replicas the entity has beyond what it needs: 1 while one of them moves."""
    return int(_is_moving(entity_id))


def arrived(entity_id: str) -> bool:
    """Called when all that an entity asks for is there: whether that ends a move."""
    return _is_moving(entity_id) and bool(redis_client().delete(MOVE_KEY))


def _is_moving(entity_id: str) -> bool:
    return (redis_client().get(MOVE_KEY) or b"").decode() == entity_id


def _movable() -> list[ServedEntity]:
    """Entities at rest of active configs, those that are called now first."""
    redis = redis_client()
    found = list(
        ServedEntity.objects.filter(
            is_at_zero=False,
            deployment=Deployment.READY,
            start_sent_at=None,
            config__config_version=F("config__endpoint__active_version"),
        )
        .exclude(config__endpoint__kind=EndpointKind.EXTERNAL)
        .exclude(config__endpoint__config_update=ConfigUpdate.IN_PROGRESS)
        .exclude(placement={})
        .select_related("config")
        .order_by("id")
    )
    if not found:
        return []
    resting = redis.mget([RESTING_KEY.format(entity_id=entity.id) for entity in found])
    called = set(metrics.active(redis))
    movable = [entity for entity, rests in zip(found, resting, strict=True) if rests is None]
    return sorted(movable, key=lambda entity: entity.id not in called)
