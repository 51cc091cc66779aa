"""The gateway's way out: Celery messages to replicas and to the control plane.

They are written here in Celery's own format (protocol 2 in kombu's Redis envelope:
docs.celeryq.dev/en/stable/internals/protocol.html) and pushed straight onto the queue, because Celery's producer took half of the
gateway's time under load (measured). What goes to a replica has its body behind the envelope instead of inside it; see
`sandbox.replicas.predict_message`.
"""

import base64
import logging
import uuid
from typing import Any

import orjson
import redis

from sandbox.invocations.requests import Redis503
from sandbox.invocations.sender import Sender
from sandbox.live import LiveReplica
from sandbox.replicas.messages import CONTROL_WAKE
from sandbox.replicas.predict_message import predict_commands

logger = logging.getLogger(__name__)
CONTROL_QUEUE = "control"
_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def celery_message(task: str, task_id: str, args: tuple[Any, ...], queue: str) -> bytes:
    """One task message as Celery's consumer reads it from a Redis list."""
    return orjson.dumps(
        {
            "body": base64.b64encode(orjson.dumps((args, {}, _EMBED))).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "ignore_result": True},
            "properties": {
                "correlation_id": task_id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "delivery_tag": task_id,
                "body_encoding": "base64",
            },
        }
    )


def send_predict(
    sender: Sender, replica: LiveReplica, reply_list: str, message_id: str, requests: list[list[Any]], label: str
) -> None:
    """One message to one replica's queue; Redis503 when Redis is away."""
    try:
        sender.send(message_id, predict_commands(replica.queue, reply_list, message_id, requests, label))
    except redis.RedisError as error:
        raise Redis503(str(error)) from error


def send_wake(connection: Any, entity_id: str) -> None:
    """Ask the control plane for a replica; while Redis is away the next sweep asks again."""
    message = celery_message(CONTROL_WAKE, uuid.uuid4().hex, (entity_id,), CONTROL_QUEUE)
    try:
        connection.lpush(CONTROL_QUEUE, message)
    except redis.RedisError as error:
        logger.warning("no replica asked for served entity %s: %s", entity_id, error)
