"""Sends the study side's background work to the control queue."""

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

QUEUE = "control"


class QueueAway(Exception):
    """The broker cannot be reached; nothing was sent."""


def enqueue(task: str, row_id: int, countdown_s: int = 0) -> None:
    """One message with one row's id."""
    try:
        current_app.send_task(task, args=(row_id,), exchange="", routing_key=QUEUE, retry=False, countdown=countdown_s or None)
    except (OperationalError, RedisError, OSError) as error:
        raise QueueAway(str(error)) from error
