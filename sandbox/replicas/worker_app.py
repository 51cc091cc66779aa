"""The Celery app of nodes and replicas. It knows nothing of Django, so that a replica stays small.

Configured from the environment: REDIS_URL (as redis-py spells it), NODE_NAME, MODEL_DIR.
"""

import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu import Queue
from kombu.transport import redis as redis_transport

from sandbox.replicas.predict_message import read_envelope

logger = logging.getLogger(__name__)
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

# Celery warns of root; what a learner supplies never runs in this process but in its jailed runner
warnings.filterwarnings("ignore", message=".*superuser privileges.*")

# no fixups: Celery would set up Django as soon as DJANGO_SETTINGS_MODULE is in the environment
app = Celery("proving_ground_replicas", set_as_current=False, fixups=[])
app.conf.update(
    broker_url=REDIS_URL.replace("unix://", "redis+socket://", 1),
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_create_missing_queues=True,
    # A replica's queue belongs to one incarnation of one replica: when it dies, the gateways send
    # its unanswered requests elsewhere, so nothing must ever be redelivered from here.
    task_acks_late=False,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=5,
    broker_transport_options={"visibility_timeout": 3600, "socket_timeout": 30, "socket_connect_timeout": 5},
    task_store_errors_even_if_ignored=False,
)


def send(task: str, args: tuple[Any, ...], queue: str) -> None:
    """Hand a task to a queue that its consumer declares; raises kombu's OperationalError when the broker is away."""
    target: Any = Queue(queue, no_declare=True)  # a queue object is allowed; the type stubs know only names
    app.send_task(task, args=args, queue=target, retry=False)


def read_predict_messages() -> None:
    """Have this process's worker read the messages of gateways besides its own (sandbox.replicas.predict_message)."""
    redis_transport.loads = read_envelope  # type: ignore[attr-defined]  # the function that it calls for every message


def at_once(task: Any, *_: Any, **__: Any) -> Callable[..., None]:
    """Celery's execution strategy for predict messages: call the task with the message's body.

    The usual one makes a request object, decodes the body twice and keeps account of retries, time limits and results, of which a
    replica uses none; it took a fifth of a replica's time (measured).
    """

    def handle(message: Any, *_: Any, **__: Any) -> None:
        try:
            task.run(message.body)
        except Exception:  # the worker must outlive it; the gateway answers at the deadline
            logger.exception("message %s was not answered", message.headers.get("id"))

    return handle


def worker_main(queue: str, name: str) -> None:
    """Run this process as a worker of one queue; returns when it is told to stop."""
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    app.worker_main(["--quiet", "worker", "-P", "solo", "-Q", queue, "-n", name, "-l", "WARNING", *quiet])
