"""The process of a replica: a Celery worker with its own queue, and the jailed runner that holds its one model."""

import gc
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import redis
from celery.signals import worker_ready, worker_shutdown
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox import service_logs
from sandbox.replicas.ahead import Ahead
from sandbox.replicas.embeddings import EmbeddingsTask
from sandbox.replicas.frames import RunnerTimeoutError
from sandbox.replicas.messages import REPLICA_PREDICT, ReplicaSpec, replica_queue
from sandbox.replicas.output import OutputPump
from sandbox.replicas.predict_message import PredictMessage, read_predict
from sandbox.replicas.pyfunc_service import PyfuncService
from sandbox.replicas.pyfunc_worker import DRAIN_S, Order, open_pool
from sandbox.replicas.replica import Replica, report_failure, start_runner
from sandbox.replicas.requests import Pending
from sandbox.replicas.restarts import LOAD_FAILED_EXIT
from sandbox.replicas.tabular import TabularTask
from sandbox.replicas.worker_app import REDIS_URL, app, at_once, read_predict_messages, worker_main

logger = logging.getLogger(__name__)
ANNOUNCE_ATTEMPTS = 100
YOUNG_OBJECTS = 10_000
"""So many new objects start a collection. At the usual 700 every message of many rows started several, which found nothing."""
TASKS: dict[str, Any] = {"onnx": TabularTask, "embedding": EmbeddingsTask}
"""How each runtime reads bodies and writes answers."""


def serve(spec: ReplicaSpec, replica_id: str, node: str, pyfunc: PyfuncService | None = None) -> None:
    """Run this process as a replica until it is told to stop; never returns."""
    gc.set_threshold(YOUNG_OBJECTS)
    # no retries of redis-py's own: a transaction sent twice would log its requests twice
    connection = redis.Redis.from_url(REDIS_URL, socket_timeout=10, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0))
    try:
        if spec.runtime == "pyfunc":
            assert pyfunc is not None, "every node offers it"
            _register_pool(Replica(spec, replica_id, node, None, b"", None, connection, deque()), pyfunc)
        elif spec.runtime == "spec":
            _register(Replica(spec, replica_id, node, None, b"", None, connection, deque()))
        else:
            model = _read_model(spec)
            output = OutputPump(replica_id, partial(service_logs.append, connection, spec.entity_id))
            runner = start_runner(spec, model, output.add)
            _register(Replica(spec, replica_id, node, runner, model, None, connection, deque(), output.add))
    except (OSError, ValueError, RuntimeError) as error:
        report_failure(connection, spec.entity_id, replica_id, str(error))
        sys.exit(LOAD_FAILED_EXIT)
    queue = replica_queue(replica_id)
    read_predict_messages()
    # the queue ends with its process and gateways send again what it had not answered, so acknowledgements would buy nothing
    app.conf.task_queues = [Queue(queue, no_ack=True)]
    worker_main(queue, f"{replica_id}@{node}")


def _read_model(spec: ReplicaSpec) -> bytes:
    model = Path(spec.model_path).read_bytes()
    if sha256(model).hexdigest() != spec.model_sha256:
        raise ValueError(
            "The model file does not have the SHA-256 that was recorded when it was built. Register the model again."
        )
    return model


def _announce(replica: Replica) -> None:
    """Say that the replica is ready; while Redis restarts, say it again. Nobody would ask a replica that was not announced."""
    for _ in range(ANNOUNCE_ATTEMPTS):
        try:
            replica.announce()
            return
        except (redis.RedisError, OperationalError) as error:
            logger.warning("announcement waits for Redis: %s", error)
            time.sleep(0.2)
    os._exit(1)


def _announce_when(replica: Replica, load: Callable[[], Any]) -> None:
    """Once Celery consumes: load the model, then become ready."""

    @worker_ready.connect(weak=False)
    def ready(**_: Any) -> None:
        try:
            load()
        except (RuntimeError, RunnerTimeoutError) as error:
            replica.given_up = str(error) or "The model did not load within its time."
            replica.give_up()
        except Exception:
            logger.exception("the replica could not start")
            os._exit(1)  # the node starts another
        _announce(replica)


def _register_pool(replica: Replica, pyfunc: PyfuncService) -> None:
    """Hook a replica of a pyfunc model into Celery: its pool of runners answers, and commits each message by itself."""
    pool = open_pool(replica, pyfunc)
    _announce_when(replica, pool.start)
    worker_shutdown.connect(lambda **_: pool.stop(DRAIN_S), weak=False)

    @app.task(name=REPLICA_PREDICT, Strategy=at_once)
    def predict(message: bytes) -> None:
        received = read_predict(message, replica.commits.fetch)
        pool.submit(Order(received.reply_list, received.message_id, Pending.all_of(received)))


def _register(replica: Replica) -> None:
    """Hook the replica into Celery: become ready once the model is loaded, then answer messages."""

    def load() -> None:
        if replica.runner is None:
            return  # features without a model
        description = replica.wait_loaded()
        replica.task = TASKS[replica.spec.runtime](description)
        replica.device = description.get("device", "cpu")

    _announce_when(replica, load)
    ahead = Ahead()
    worker_shutdown.connect(lambda **_: ahead.finish(DRAIN_S), weak=False)

    @app.task(name=REPLICA_PREDICT, Strategy=at_once)
    def predict(message: bytes) -> None:
        received = read_predict(message, replica.commits.fetch)
        requests = Pending.all_of(received)
        work = partial(_answer, replica, received, requests)
        if received.key:
            replica.read_ahead(requests)
            try:
                ahead.hand_on(work)
                return
            except RuntimeError:
                logger.warning("no thread left: message %s is computed without one", received.message_id)
        ahead.do(work)


def _answer(replica: Replica, received: PredictMessage, requests: list[Pending]) -> None:
    now_s = time.time()
    # what is past its deadline has been answered (and logged) by the gateway already
    if all(request.deadline_s < now_s for request in requests):
        return
    replica.answer(requests)
    replica.commit(received.reply_list, received.message_id, requests)
    if replica.given_up:
        replica.give_up()
