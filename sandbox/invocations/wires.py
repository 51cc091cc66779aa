"""The gateway's way out: Celery messages to replicas and to the control plane."""

from typing import Any

from kombu.exceptions import OperationalError

from sandbox.invocations.coalescer import Redis503
from sandbox.live import LiveReplica
from sandbox.replicas.messages import CONTROL_WAKE, REPLICA_PREDICT
from sandbox.replicas.worker_app import app

BROKER_ERRORS = (OperationalError, OSError)


def committed_key(reply_list: str, message_id: str) -> str:
    """Set by a replica in the transaction that commits its answer (expires after a minute)."""
    return f"committed:{reply_list}:{message_id}"


def send_predict(replica: LiveReplica, reply_list: str, message_id: str, requests: list[list[Any]], label: str) -> None:
    """One message to one replica's queue; Redis503 when the broker is away."""
    try:
        app.send_task(
            REPLICA_PREDICT, args=(reply_list, message_id, requests, label), exchange="", routing_key=replica.queue, retry=False
        )
    except BROKER_ERRORS as error:
        raise Redis503(str(error)) from error


def send_wake(entity_id: str) -> None:
    """Ask the control plane for a replica; a broker that is away is asked again by the next sweep."""
    try:
        app.send_task(CONTROL_WAKE, args=(entity_id,), exchange="", routing_key="control", retry=False)
    except BROKER_ERRORS:
        return
