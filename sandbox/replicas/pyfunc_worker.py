"""The replica of a pyfunc model: hands each request to one of a few jailed runners and commits its answer by itself.

A model that is served as it is may take as long as it likes for one request. So requests do not wait for each other: there
are up to PYFUNC_PLACES runners, each with a thread that talks to it. The first is started with the replica, the others when a
request has waited, and they go again when they are idle.
"""

import json
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import key_file, service_logs
from sandbox.replicas.frames import RunnerGoneError, RunnerTimeoutError
from sandbox.replicas.messages import PYFUNC_PLACES
from sandbox.replicas.output import REDACTED, OutputPump, redactable
from sandbox.replicas.pyfunc_runner import NotLoadedError, PyfuncRunner
from sandbox.replicas.pyfunc_service import PyfuncService, key_file_path
from sandbox.replicas.requests import KILLS_FORGIVEN, Pending, RequestAnswer, failed

logger = logging.getLogger(__name__)
ANOTHER_AFTER_S = 0.02
"""A request that has waited this long for a free runner gets a new one started."""
IDLE_RUNNER_S = 60.0
"""A runner that had nothing to do for this long goes, unless it is the only one."""
DRAIN_S = 298.0
"""A replica that is told to stop finishes what it holds, as long as a request may take; the node kills it a little later."""
LAST_ANSWERS_S = 13.0
"""A replica that is given up waits this long for what its other runners have in hand."""


@dataclass
class Order:
    """One message of a gateway."""

    reply_list: str
    message_id: str
    requests: list[Pending]
    arrived_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Environment:
    """The environment variables of the served entity, as its model sees them."""

    variables: dict[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """Values that came from secrets."""

    @classmethod
    def unseal(cls, ciphertext: str) -> "Environment":
        """What `sandbox.serving.entity_environment` has sealed. Raises UnreadableError."""
        if not ciphertext:
            return cls({}, ())
        raw = json.loads(key_file.decrypt(Path(key_file_path()), ciphertext))
        return cls(dict(raw["variables"]), tuple(raw["variables"][name] for name in raw["secret"]))


class Pool:
    """The runners of one replica and the requests that wait for them."""

    def __init__(self, replica: Any, service: PyfuncService, folder: str, environment: Environment) -> None:
        """`replica`: the `worker.Replica` whose commit and whose count of crashes are used."""
        self.replica = replica
        self._service = service
        self._folder = folder
        self._environment = environment
        self._secrets = redactable(environment.secrets)
        entity_id = replica.spec.entity_id
        self._output = OutputPump(
            replica.replica_id, lambda lines: service_logs.append(replica.redis, entity_id, lines), self._secrets
        )
        self._waiting: deque[Order] = deque()
        self._changed = threading.Condition()
        self._desks: list[_Desk] = []
        self._busy = 0
        self.is_stopped = False

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> dict[str, Any]:
        """Load the model in a first runner; its description. Raises NotLoadedError, RunnerTimeoutError, OSError."""
        desk = _Desk(self)
        description = desk.load()
        self._spawn(desk)
        threading.Thread(target=self._grow, daemon=True, name="grow").start()
        return description

    def submit(self, order: Order) -> None:
        """Have the message answered; returns at once."""
        with self._changed:
            self._waiting.append(order)
            self._changed.notify_all()

    @property
    def is_busy(self) -> bool:
        return self._busy > 0

    def stop(self, wait_s: float = 0.0) -> None:
        """Wait for what was submitted to be answered, for `wait_s` at most; then end every runner, whatever it does."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy, wait_s)
            self.is_stopped = True
            for desk in self._desks:
                desk.cut()
            self._changed.notify_all()

    def new_runner(self) -> PyfuncRunner:
        """A runner that loads the model. Raises OSError."""
        runner, output = PyfuncRunner.start(
            self._service.orders,
            self._folder,
            str(self._service.folders.scratch),
            self._environment.variables,
            self.replica.spec.memory_limit_bytes,
        )
        self._output.add(output)
        return runner

    def _spawn(self, desk: "_Desk") -> None:
        with self._changed:
            self._desks.append(desk)
        threading.Thread(target=self._work, args=(desk,), daemon=True, name="runner").start()

    def _grow(self) -> None:
        """Add a runner whenever a request has waited for long enough, one after the other."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.is_stopped or (self._waiting and len(self._desks) < PYFUNC_PLACES))
                if self.is_stopped:
                    return
                eldest = self._waiting[0]
            time.sleep(max(0.0, eldest.arrived_s + ANOTHER_AFTER_S - time.monotonic()))
            with self._changed:
                still_waits = bool(self._waiting) and self._waiting[0] is eldest
            if still_waits:
                self._spawn(_Desk(self))

    # --- one runner's thread -------------------------------------------------------------------

    def _work(self, desk: "_Desk") -> None:
        try:
            while (order := self._next(desk)) is not None:
                self._finish(order, desk)
        except Exception:
            logger.exception("a thread of the replica failed")
            os._exit(1)  # the node starts another replica, the gateways send again
        finally:
            with self._changed:
                self._desks.remove(desk)
            desk.close()

    def _next(self, desk: "_Desk") -> Order | None:
        """The next message; None when this runner is to go: it was idle and is not the last one."""
        desk.make_ready()
        with self._changed:
            while not self._changed.wait_for(lambda: self._waiting or self.is_stopped, IDLE_RUNNER_S):
                if len(self._desks) > 1:
                    return None
            if self.is_stopped:
                return None
            self._busy += 1
            return self._waiting.popleft()

    def _finish(self, order: Order, desk: "_Desk") -> None:
        if self.replica.lookups is not None:
            self.replica.lookups.complete(order.requests)
        for request in order.requests:
            if not request.is_answered:
                request.answer = self._cleaned(desk.answer(request))
        self.replica.commit(order.reply_list, order.message_id, order.requests)
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()
        if self.replica.given_up:
            with self._changed:  # what the other runners have in hand is still answered
                self._changed.wait_for(lambda: not self._busy, LAST_ANSWERS_S)
            self.replica.give_up()

    def _cleaned(self, answer: RequestAnswer) -> RequestAnswer:
        """An error without secrets: it may quote whatever the model had in hand, and it is logged."""
        if answer.status == 200 or not self._secrets:
            return answer
        body = answer.body
        for secret in self._secrets:
            body = body.replace(secret, REDACTED)
        return RequestAnswer(answer.status, body)


class _Desk:
    """One thread's runner, replaced when it dies."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._runner: PyfuncRunner | None = None

    def make_ready(self) -> None:
        """Have a loaded runner before a request is taken; a model that loads no more is given up."""
        if self._runner is not None and self._runner.is_alive():
            return
        self.close()
        if self._pool.is_stopped:
            return
        try:
            self.load()
        except (NotLoadedError, RunnerTimeoutError) as error:
            self.close()
            if not self._pool.is_stopped:
                self._pool.replica.given_up = str(error) or "The model did not load within its time."

    def load(self) -> dict[str, Any]:
        """Have another runner load the model; its description. Raises NotLoadedError, RunnerTimeoutError, OSError."""
        for _ in range(KILLS_FORGIVEN):
            self._runner = self._pool.new_runner()
            try:
                return self._runner.wait_loaded()
            except NotLoadedError:
                if not self._runner.was_killed() or self._pool.is_stopped:
                    raise
                self.close()
        self._runner = self._pool.new_runner()
        return self._runner.wait_loaded()

    def answer(self, request: Pending) -> RequestAnswer:
        """The request's answer, whatever the model does."""
        for kills in range(KILLS_FORGIVEN + 1):
            if request.deadline_s < time.time():
                return failed("DEADLINE_EXCEEDED")
            self.make_ready()
            if self._runner is None:
                return failed("REPLICA_FAILED", self._pool.replica.given_up or "its runner does not start")
            started = time.perf_counter()
            try:
                deadline_s = time.monotonic() + max(0.05, request.deadline_s - time.time())
                status, body = self._runner.answer(request.content_type, _body(request), deadline_s)
            except RunnerTimeoutError:
                self.close()
                return failed("DEADLINE_EXCEEDED")
            except RunnerGoneError:
                if self._runner.was_killed() and kills < KILLS_FORGIVEN:
                    continue  # somebody else's doing: the request is not to blame
                return self._died()
            request.execution_ms = (time.perf_counter() - started) * 1000
            return RequestAnswer(status, body)
        raise AssertionError("the last attempt always returns")

    def _died(self) -> RequestAnswer:
        """The runner ended on the request in hand."""
        assert self._runner is not None
        reason = self._runner.exit_reason()
        self.close()
        self._pool.replica.count_crash(reason)
        return failed("RUNNER_DIED", reason)

    def cut(self) -> None:
        """End the runner from another thread."""
        if (runner := self._runner) is not None:
            runner.end()

    def close(self) -> None:
        if self._runner is not None:
            self._runner.kill()
            self._runner = None


def _body(request: Pending) -> bytes:
    """The body without the two fields that are for the platform; MLflow would hand them to a model that takes chats."""
    if request.is_completed:
        return request.content
    if '"client_request_id"' not in request.body and '"usage_context"' not in request.body:
        return request.body.encode()
    try:
        payload = json.loads(request.body)
    except (ValueError, RecursionError):
        return request.body.encode()
    if not isinstance(payload, dict):
        return request.body.encode()
    client_request_id = payload.pop("client_request_id", None)
    request.client_request_id = None if client_request_id is None else str(client_request_id)
    payload.pop("usage_context", None)
    return json.dumps(payload).encode()


def open_pool(replica: Any, service: PyfuncService) -> Pool:
    """Unpack the model and read its environment; the pool is not started yet.

    Raises OSError and ValueError (PackageError, UnreadableError), whose messages say why the entity cannot run.
    """
    spec = replica.spec
    folder = service.folders.put(Path(spec.model_path), spec.model_sha256)
    return Pool(replica, service, str(folder), Environment.unseal(spec.environment))
