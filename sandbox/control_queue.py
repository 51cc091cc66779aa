"""Sends the control plane's own tasks; what cannot be sent now is found again by the schedule."""

import logging

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

QUEUE = "control"


def enqueue(task: str, argument: str, countdown_s: float | None = None) -> bool:
    """One message with one id; False when the broker is away."""
    try:
        current_app.send_task(task, args=(argument,), exchange="", routing_key=QUEUE, retry=False, countdown=countdown_s)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("%s(%s) waits for the next look: %s", task, argument, error)
        return False
    return True
