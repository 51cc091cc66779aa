"""A model that kills its process: its request is told so, its neighbours are answered, three times is enough."""

import json
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from sandbox.replicas import runner as runner_module
from sandbox.replicas import worker
from sandbox.replicas.messages import ReplicaSpec
from sandbox.replicas.requests import Pending
from sandbox.replicas.runner import Runner
from sandbox.replicas.tabular import TabularTask

KILLS, RAISES, HANGS = 666.0, 13.0, 99.0
SIGNATURE = {
    "inputs": [{"name": "x", "type": "double", "required": True}],
    "kind": "columns",
    "layout": "matrix",
    "dtype": "float64",
    "output": {"name": "p", "type": "double"},
}


class HostileModel:
    """Stands for a learner's model: doubles its input, and dies, raises or hangs on certain values."""

    def describe(self) -> dict[str, Any]:
        return {"signature": SIGNATURE}

    def predict(self, arrays: list[Any]) -> list[Any]:
        values: np.ndarray[Any, Any] = arrays[0]
        if (values == KILLS).any():
            os._exit(9)
        if (values == RAISES).any():
            raise RuntimeError("bad luck")
        if (values == HANGS).any():
            time.sleep(60)
        return (values[:, 0] * 2).tolist()  # type: ignore[no-any-return]


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> Iterator[worker.Replica]:
    """A replica around a real jailed runner that holds the hostile model."""
    monkeypatch.setattr(runner_module, "_load", lambda runtime, model, device: HostileModel())
    started = Runner.start("onnx", b"model", worker.RUNNER_LIMITS)
    spec = ReplicaSpec("e1", "onnx", "", "", "hostile-1")
    task = TabularTask(started.wait_loaded())
    made = worker.Replica(spec, "r1", "node-1", started, b"model", task, None, deque())
    yield made
    made.runner.kill()


def pending(value: float, timeout_s: float = 30.0) -> Pending:
    body = json.dumps({"dataframe_records": [{"x": value}]})
    return Pending(str(value), body, "w1", "t", "ann", time.time(), time.time() + timeout_s)


def answers(replica: worker.Replica, *values: float) -> list[tuple[int, Any]]:
    requests = [pending(value) for value in values]
    replica.answer(requests)
    return [(request.answer.status, orjson.loads(request.answer.body)) for request in requests]


def test_the_neighbours_of_a_killing_request_are_answered(replica: worker.Replica) -> None:
    first, killer, third = answers(replica, 1.0, KILLS, 3.0)
    assert (first, third) == ((200, {"predictions": [2.0]}), (200, {"predictions": [6.0]}))
    assert (killer[0], killer[1]["error_code"]) == (500, "INTERNAL_ERROR")
    assert "exited with status 9" in killer[1]["message"]
    assert "other requests were not affected" in killer[1]["message"]


def test_a_runner_that_is_killed_from_outside_is_replaced_and_the_request_answered(replica: worker.Replica) -> None:
    os.kill(replica.runner.pid, signal.SIGKILL)
    assert answers(replica, 4.0) == [(200, {"predictions": [8.0]})]
    assert not replica.crashes


def test_an_exception_of_the_model_is_a_400_for_its_request_alone(replica: worker.Replica) -> None:
    good, raised = answers(replica, 5.0, RAISES)
    assert good == (200, {"predictions": [10.0]})
    assert (raised[0], raised[1]["error_code"]) == (400, "BAD_REQUEST")
    assert "RuntimeError: bad luck" in raised[1]["stack_trace"]


def test_a_hanging_model_is_ended_at_the_deadline(replica: worker.Replica) -> None:
    request = pending(HANGS, timeout_s=0.3)
    replica.answer([request])
    assert request.answer.status == 504
    assert answers(replica, 6.0) == [(200, {"predictions": [12.0]})]


def test_three_deaths_on_requests_of_their_own_give_the_entity_up(replica: worker.Replica) -> None:
    for _ in range(worker.CRASHES_ALLOWED - 1):
        assert answers(replica, KILLS)[0][0] == 500
    assert replica.given_up == ""
    killer, neighbour = answers(replica, KILLS, 7.0)
    assert replica.given_up == "The model's process exited with status 9, 3 times within 5 minutes."
    assert (killer[0], neighbour) == (500, (200, {"predictions": [14.0]})), "the message in hand is still answered"


def test_a_request_that_is_due_does_not_take_its_neighbours_with_it(replica: worker.Replica) -> None:
    due, fresh = pending(1.0, timeout_s=-0.1), pending(2.0)
    replica.answer([due, fresh])
    assert (due.answer.status, fresh.answer.status) == (504, 200)


def test_every_request_is_answered_even_when_the_replica_itself_fails(replica: worker.Replica) -> None:
    replica.runner.kill()
    replica.model = None  # type: ignore[assignment]  # so that no other runner can be started
    [(status, body)] = answers(replica, 1.0)
    assert (status, body["error_code"]) == (500, "INTERNAL_ERROR")
