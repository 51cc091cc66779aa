"""A model that kills its process: its request is told so, its neighbours are answered, three times is enough."""

import contextlib
import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.replicas.messages import ReplicaSpec
from sandbox.replicas.replica import CRASHES_ALLOWED, RUNNER_LIMITS, Replica
from sandbox.replicas.requests import KILLS_FORGIVEN, Pending
from sandbox.replicas.runner import Runner
from sandbox.replicas.tabular import TabularTask
from tests.onnx_models import HANGS, KILLS, RAISES, hostile

MODEL = hostile()


@pytest.fixture
def replica() -> Iterator[Replica]:
    """A replica around a real jailed runner that holds the hostile model."""
    started = Runner.start("onnx", MODEL, RUNNER_LIMITS)
    spec = ReplicaSpec("e1", "onnx", "", "", "hostile-1")
    task = TabularTask(started.wait_loaded())
    made = Replica(spec, "r1", "node-1", started, MODEL, task, None, deque())
    yield made
    made.runner.kill()


def pending(value: float, timeout_s: float = 30.0) -> Pending:
    body = json.dumps({"dataframe_records": [{"x": value}]})
    return Pending(str(value), body, "w1", "t", "ann", time.time(), time.time() + timeout_s)


def answers(replica: Replica, *values: float) -> list[tuple[int, Any]]:
    requests = [pending(value) for value in values]
    replica.answer(requests)
    return [(request.answer.status, orjson.loads(request.answer.body)) for request in requests]


@contextlib.contextmanager
def killer(replica: Replica, most: int, after_cpu_s: float = 0.0) -> Iterator[set[int]]:
    """Kills the replica's runner, and those that are started in its place, `most` at most; gives their process ids."""
    stop, killed = threading.Event(), set[int]()

    def kill() -> None:
        while not stop.wait(0.001):
            pid = replica.runner.pid
            if len(killed) < most and pid not in killed and cpu_s(pid) >= after_cpu_s:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


def cpu_s(pid: int) -> float:
    """Processor time that the process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_neighbours_of_a_killing_request_are_answered(replica: Replica) -> None:
    first, killer, third = answers(replica, 1.0, KILLS, 3.0)
    assert (first, third) == ((200, {"predictions": [2.0]}), (200, {"predictions": [6.0]}))
    assert (killer[0], killer[1]["error_code"]) == (500, "INTERNAL_ERROR")
    assert "was killed by signal 8 (SIGFPE)" in killer[1]["message"]
    assert "other requests were not affected" in killer[1]["message"]


def test_a_runner_that_is_killed_from_outside_is_replaced_and_the_request_answered(replica: Replica) -> None:
    os.kill(replica.runner.pid, signal.SIGKILL)
    assert answers(replica, 4.0) == [(200, {"predictions": [8.0]})]
    assert not replica.crashes


def test_runners_that_are_killed_one_after_the_other_cost_nobody_an_answer(replica: Replica) -> None:
    with killer(replica, most=KILLS_FORGIVEN) as killed:
        found = answers(replica, *map(float, range(100, 150)))
        while len(killed) < KILLS_FORGIVEN:
            found += answers(replica, 0.0)
    assert [body["predictions"] for _, body in found[:50]] == [[2.0 * number] for number in range(100, 150)]
    assert {status for status, _ in found} == {200}
    assert not replica.crashes


def test_a_request_whose_runner_is_killed_every_time_is_blamed_in_the_end(replica: Replica) -> None:
    """The kernel kills so, too, when a model takes all the memory."""
    with killer(replica, most=100, after_cpu_s=0.1) as killed:
        [(status, body)] = answers(replica, HANGS)
    assert (status, len(killed)) == (500, 2 + KILLS_FORGIVEN), "once with its neighbours, which it might have had"
    assert "was killed by signal 9 (SIGKILL)" in body["message"]
    assert len(replica.crashes) == 1


def test_an_exception_of_the_model_is_a_400_for_its_request_alone(replica: Replica) -> None:
    good, raised = answers(replica, 5.0, RAISES)
    assert good == (200, {"predictions": [10.0]})
    assert (raised[0], raised[1]["error_code"]) == (400, "BAD_REQUEST")
    assert "indices element out of data bounds" in raised[1]["stack_trace"]


def test_a_hanging_model_is_ended_at_the_deadline(replica: Replica) -> None:
    request = pending(HANGS, timeout_s=0.3)
    replica.answer([request])
    assert request.answer.status == 504
    assert answers(replica, 6.0) == [(200, {"predictions": [12.0]})]


def test_three_deaths_on_requests_of_their_own_give_the_entity_up(replica: Replica) -> None:
    for _ in range(CRASHES_ALLOWED - 1):
        assert answers(replica, KILLS)[0][0] == 500
    assert replica.given_up == ""
    killer, neighbour = answers(replica, KILLS, 7.0)
    assert replica.given_up == "The model's process was killed by signal 8 (SIGFPE), 3 times within 5 minutes."
    assert (killer[0], neighbour) == (500, (200, {"predictions": [14.0]})), "the message in hand is still answered"


def test_a_request_that_is_due_does_not_take_its_neighbours_with_it(replica: Replica) -> None:
    due, fresh = pending(1.0, timeout_s=-0.1), pending(2.0)
    replica.answer([due, fresh])
    assert (due.answer.status, fresh.answer.status) == (504, 200)


def test_every_request_is_answered_even_when_the_replica_itself_fails(replica: Replica) -> None:
    replica.runner.kill()
    replica.model = None  # type: ignore[assignment]  # so that no other runner can be started
    [(status, body)] = answers(replica, 1.0)
    assert (status, body["error_code"]) == (500, "INTERNAL_ERROR")
