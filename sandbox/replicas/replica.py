"""A replica's state and what it does with a message: all its requests are answered, whatever happens to the jailed runner.

A message carries many requests. They are read, enforced and predicted together as columns; each gets its own answer,
and one that is wrong or kills the model never fails its neighbours.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

import orjson

from sandbox import live
from sandbox.features.plan import LookupPlan
from sandbox.jail.limits import GIB, Limits
from sandbox.replicas import memory_watch
from sandbox.replicas.commits import Commits
from sandbox.replicas.frames import RunnerGoneError, RunnerTimeoutError
from sandbox.replicas.lookups import Lookups
from sandbox.replicas.messages import CONTROL_REPLICA_CHANGED, ReplicaSpec, replica_queue
from sandbox.replicas.requests import KILLS_FORGIVEN, Pending, failed
from sandbox.replicas.restarts import LOAD_FAILED_EXIT
from sandbox.replicas.runner import Runner
from sandbox.replicas.tabular import NotTogetherError
from sandbox.replicas.worker_app import send

logger = logging.getLogger(__name__)
CRASHES_ALLOWED, CRASH_WINDOW_S = 3, 300.0
RUNNER_LIMITS = Limits(cpu_s=0, wall_s=0, address_space_bytes=4 * GIB)
"""A runner lives as long as its replica, so it has no CPU limit; each request has its deadline instead."""


@dataclass
class Replica:
    """The state of a replica's process; one per process, made by `worker.serve`."""

    spec: ReplicaSpec
    replica_id: str
    node: str
    runner: Any
    """The `Runner`; None for a pyfunc model, whose runners a pool has, and for a feature spec."""
    model: bytes
    task: Any
    redis: Any
    crashes: deque[float]
    read_output: Callable[[int], None] | None = None
    """Takes the descriptor of what a new runner prints."""
    runner_is_dead: bool = False
    """It was ended at a deadline; the next message starts another, after the answers of this one are out."""
    device: str = "cpu"
    """Where the runner computes: what was asked for, or `cpu` where that could not be had."""
    given_up: str = ""
    """Why the entity is FAILED; said after the message in hand has been answered."""

    @cached_property
    def commits(self) -> Commits:
        return Commits(self.redis)

    @cached_property
    def lookups(self) -> Lookups | None:
        """None for an entity that looks nothing up."""
        plan = self.spec.lookups
        return Lookups(LookupPlan.from_dict(plan), self.redis, is_spec=self.spec.runtime == "spec") if plan else None

    def answer(self, requests: list[Pending]) -> None:
        """Fill in every request's answer, whatever happens: a message without a reply would hold its callers for minutes."""
        now_s = time.time()
        for request in requests:
            if request.deadline_s < now_s:
                request.answer = failed("DEADLINE_EXCEEDED")
        try:
            if self.lookups is not None:
                self.look_up(self.lookups, requests)
            self.predict(requests)
        except Exception as error:
            logger.exception("a message could not be computed")
            for request in requests:
                if not request.is_answered:
                    request.answer = failed("REPLICA_FAILED", type(error).__name__)

    def read_ahead(self, requests: list[Pending]) -> None:
        """Begin with a message while the one before is computed; in `answer` all goes on as if this had not been."""
        if self.spec.runtime == "onnx" and self.lookups is None and self.task is not None:
            try:
                self.task.read_ahead(request for request in requests if not request.is_answered)
            except Exception:  # too little memory, for example: `answer` finds the same, and answers it
                logger.exception("a message could not be read ahead")

    def look_up(self, lookups: Lookups, requests: list[Pending]) -> None:
        """Complete the requests; those of a feature spec are answered then."""
        started = time.perf_counter()
        lookups.complete(requests)
        if self.spec.runtime == "spec":
            elapsed_ms = (time.perf_counter() - started) * 1000
            for request in requests:
                request.execution_ms = elapsed_ms

    def predict(self, requests: list[Pending]) -> None:
        """Predict what is not answered yet, together if that works, else one by one."""
        ready = [request for request in requests if not request.is_answered]
        if not ready:
            return
        try:
            self._predict_together(ready)
        except NotTogetherError as parts:
            self.predict(parts.together)
            self._predict_one_by_one(parts.alone)
        except RunnerGoneError:
            self._restart_runner()
            self._predict_one_by_one(ready)

    def _predict_together(self, requests: list[Pending]) -> None:
        batch = self.task.batch(requests)
        if not batch.requests:
            return
        if self.runner_is_dead:
            self._restart_runner()
        # the latest of their deadlines: one request that is nearly due must not end its neighbours
        deadline_s = time.monotonic() + max(0.05, max(r.deadline_s for r in batch.requests) - time.time())
        started = time.perf_counter()
        try:
            values = self.runner.predict(batch.parts, deadline_s)
        except ValueError as error:
            self._model_raised(batch.requests, str(error))
            return
        except RunnerTimeoutError:
            self.runner.kill()
            self.runner_is_dead = True
            for request in batch.requests:
                request.answer = failed("DEADLINE_EXCEEDED")
            return
        elapsed_ms = (time.perf_counter() - started) * 1000
        for request, rows in batch.split(values):
            request.answer = self.task.answer(request, rows)
            request.execution_ms = elapsed_ms

    def _model_raised(self, requests: list[Pending], message: str) -> None:
        """The model raised: with several requests it is unknown for whose sake, so each is asked alone."""
        if len(requests) == 1:
            requests[0].answer = failed("MODEL_RAISED", message)
            return
        for request in requests:
            self.predict([request])

    def _predict_one_by_one(self, requests: list[Pending]) -> None:
        for request in requests:
            if not request.is_answered:
                self._predict_alone(request)

    def _predict_alone(self, request: Pending) -> None:
        """Answer a request that nothing else shares a runner with: now it is known for whose sake the runner ends."""
        for kills in range(KILLS_FORGIVEN + 1):
            try:
                self._predict_together([request])
                return
            except RunnerGoneError:
                if not self.runner.was_killed() or kills == KILLS_FORGIVEN:
                    reason = self.runner.exit_reason()
                    request.answer = failed("RUNNER_DIED", reason)
                    self.count_crash(reason)
                self._restart_runner()
            if request.is_answered:
                return

    def _restart_runner(self) -> None:
        self.runner.kill()
        self.runner = start_runner(self.spec, self.model, self.read_output)
        self.wait_loaded()
        self.runner_is_dead = False

    def wait_loaded(self) -> dict[str, Any]:
        """The description of the runner's model. Raises RuntimeError (it does not load) and RunnerTimeoutError."""
        for _ in range(KILLS_FORGIVEN):
            try:
                return self.runner.wait_loaded()  # type: ignore[no-any-return]  # `Runner.wait_loaded`
            except RuntimeError:
                if not self.runner.was_killed():
                    raise
                self.runner.kill()
                self.runner = start_runner(self.spec, self.model, self.read_output)
        return self.runner.wait_loaded()  # type: ignore[no-any-return]

    def count_crash(self, reason: str) -> None:
        """Three crashes in five minutes, each on a request of its own, and the entity is FAILED."""
        now = time.monotonic()
        self.crashes.append(now)
        while self.crashes and now - self.crashes[0] > CRASH_WINDOW_S:
            self.crashes.popleft()
        if len(self.crashes) >= CRASHES_ALLOWED:
            self.given_up = f"The model's process {reason}, {CRASHES_ALLOWED} times within {CRASH_WINDOW_S / 60:.0f} minutes."

    def commit(self, reply_list: str, message_id: str, requests: list[Pending]) -> None:
        """Answer: see `Commits`."""
        self.commits.commit(reply_list, message_id, requests, self.spec.entity_id)

    # --- announcements -------------------------------------------------------------------------

    def announce(self) -> None:
        """Ready: gateways may send. The control plane hears of it too."""
        queue = replica_queue(self.replica_id)
        record = live.LiveReplica(self.replica_id, queue, self.node, os.getpid(), device=self.device)
        pipe = self.redis.pipeline(transaction=True)
        pipe.hset(live.replicas_key(self.spec.entity_id), self.replica_id, record.to_json())
        pipe.delete(live.failure_key(self.spec.entity_id))
        pipe.publish(live.CHANNEL, live.replicas_key(self.spec.entity_id))
        pipe.execute()
        send(CONTROL_REPLICA_CHANGED, (self.spec.entity_id,), "control")

    def report_failure(self, message: str) -> None:
        """The entity cannot run: the sentence goes to the control plane and to waiting requests."""
        report_failure(self.redis, self.spec.entity_id, self.replica_id, message)

    def give_up(self) -> NoReturn:
        """Say why the entity is FAILED, and end."""
        self.report_failure(self.given_up)
        os._exit(LOAD_FAILED_EXIT)


def start_runner(spec: ReplicaSpec, model: bytes, read_output: Callable[[int], None] | None) -> Runner:
    """A runner with the memory of the workload type, on the device that the node chose."""
    limits = replace(RUNNER_LIMITS, address_space_bytes=spec.memory_limit_bytes)
    runner = Runner.start(spec.runtime, model, limits, read_output, spec.device)
    if spec.device != "cpu":
        memory_watch.watch(runner.pid, spec.memory_limit_bytes)
    return runner


def report_failure(connection: Any, entity_id: str, replica_id: str, message: str) -> None:
    pipe = connection.pipeline(transaction=True)
    pipe.set(live.failure_key(entity_id), orjson.dumps({"message": message}))
    pipe.hdel(live.replicas_key(entity_id), replica_id)
    pipe.publish(live.CHANNEL, live.failure_key(entity_id))
    pipe.execute()
    send(CONTROL_REPLICA_CHANGED, (entity_id,), "control")
