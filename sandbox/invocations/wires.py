"""The gateway's way out: Celery messages to replicas and to the control plane."""

from typing import Any

from kombu.exceptions import OperationalError

from sandbox.invocations.coalescer import Redis503
from sandbox.live import LiveReplica
from sandbox.replicas.messages import CONTROL_WAKE, REPLICA_PREDICT
from sandbox.replicas.worker_app import send

BROKER_ERRORS = (OperationalError, OSError)


def committed_key(reply_list: str, message_id: str) -> str:
    """Set by a replica in the transaction that commits its answer (expires after a minute)."""
    return f"committed:{reply_list}:{message_id}"


def send_predict(replica: LiveReplica, reply_list: str, message_id: str, requests: list[list[Any]], label: str) -> None:
    """One message to one replica's queue; Redis503 when the broker is away."""
    try:
        send(REPLICA_PREDICT, (reply_list, message_id, requests, label), replica.queue)
    except BROKER_ERRORS as error:
        raise Redis503(str(error)) from error


def send_wake(entity_id: str) -> None:
    """Ask the control plane for a replica; a broker that is away is asked again by the next sweep."""
    try:
        send(CONTROL_WAKE, (entity_id,), "control")
    except BROKER_ERRORS:
        return
