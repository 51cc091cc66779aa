"""What an operation sets in motion once its transaction has committed; whatever is lost here, tick and sweep find."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from sandbox.serving import nodes, snapshot
from sandbox.serving.control_queue import RECONCILE, enqueue
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


def take_away(workspace_id: str, name: str, places: Sequence[tuple[str, str]]) -> None:
    """Withdraw a deleted endpoint and stop its replicas: pairs of entity id and the node that was asked for one."""

    def after_commit() -> None:
        with _or_later():
            snapshot.sync(workspace_id, name)
            for entity_id, start_sent_to in places:
                nodes.stop(entity_id, start_sent_to)
            nodes.forget(entity_id for entity_id, _ in places)

    transaction.on_commit(after_commit)


@contextmanager
def _or_later() -> Iterator[None]:
    """The operation is done and stays done while Redis is away."""
    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        log.warning("left to the sweep: %s", error)
