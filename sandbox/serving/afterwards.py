"""What an operation sets in motion once its transaction has committed; whatever is lost here, tick and sweep find."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from sandbox import metrics, service_logs
from sandbox.connections import redis_client
from sandbox.control_queue import enqueue
from sandbox.serving import nodes, snapshot
from sandbox.serving.control_queue import RECONCILE
from sandbox.serving.models import Endpoint

log = logging.getLogger(__name__)


def reconcile(endpoint: Endpoint) -> None:
    """Let the control plane take the next steps; a new endpoint answers "not ready" from the first moment."""

    def after_commit() -> None:
        if endpoint.published_version is None:
            with _or_later():
                snapshot.sync(endpoint.workspace_id, endpoint.name)
        enqueue(RECONCILE, endpoint.id)

    transaction.on_commit(after_commit)


def take_away(endpoint: Endpoint, placements: Mapping[str, Mapping[str, int]]) -> None:
    """Withdraw a deleted endpoint and stop its replicas: entity id -> nodes that were asked for some."""
    workspace_id, name, endpoint_id = endpoint.workspace_id, endpoint.name, endpoint.id

    def after_commit() -> None:
        with _or_later():
            snapshot.sync(workspace_id, name)
            for entity_id, placement in placements.items():
                nodes.stop(entity_id, placement)
            nodes.forget(placements)
            service_logs.forget(redis_client(), placements)
            metrics.forget(redis_client(), endpoint_id, placements)

    transaction.on_commit(after_commit)


@contextmanager
def _or_later() -> Iterator[None]:
    """The operation is done and stays done while Redis is away."""
    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        log.warning("left to the sweep: %s", error)
