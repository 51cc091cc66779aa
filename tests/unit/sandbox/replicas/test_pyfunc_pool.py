"""Poisoned models that are served as they are: each takes down its own request at most, and is told apart from the others."""

import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest

from sandbox import service_logs
from sandbox.builds import store
from sandbox.builds.pyfunc_package import pack
from sandbox.jail.limits import GIB
from sandbox.replicas import node, pyfunc_worker, replica
from sandbox.replicas.messages import PYFUNC_PLACES, ReplicaSpec
from sandbox.replicas.pyfunc_service import PyfuncService
from sandbox.replicas.pyfunc_worker import Environment, Order, Pool
from sandbox.replicas.requests import Pending
from tests.pyfunc_models import save
from tests.stack import wait_for

CRASH, LEAVE, LOOP, SLEEP, EAT, FLOOD, FORK, RAISE, TEMPORARY, FORGE, REST = (float(number) for number in range(1, 12))
SECRET = 's3cret-"quoted"-value'
PATIENCE_S = 60.0


class Replica(replica.Replica):
    """A real replica that does not end the test's process when it would end its own."""

    def give_up(self) -> NoReturn:
        sys.exit()  # ends the thread alone


class Caller:
    """Asks a pool as a gateway does, and reads the answers from Redis."""

    def __init__(self, pool: Pool, redis: Any) -> None:
        self.pool = pool
        self._redis = redis
        self._asked = 0

    def ask(self, value: float, timeout_s: float = PATIENCE_S) -> str:
        self._asked += 1
        message_id = f"m{self._asked}"
        body = json.dumps({"dataframe_records": [{"x": value}]})
        now_s = time.time()
        self.pool.submit(Order(message_id, message_id, [Pending(message_id, body, "w1", "", "ann", now_s, now_s + timeout_s)]))
        return message_id

    def answer(self, message_id: str) -> tuple[int, Any]:
        found = wait_for(lambda: self._redis.rpop(message_id), PATIENCE_S, f"{message_id} was not answered")
        [(status, body)] = orjson.loads(found)[1]
        return status, json.loads(body)

    def is_answered(self, message_id: str) -> bool:
        return bool(self._redis.exists(message_id))

    def __call__(self, value: float, timeout_s: float = PATIENCE_S) -> tuple[int, Any]:
        return self.answer(self.ask(value, timeout_s))

    def lines(self) -> list[str]:
        return [line.text for line in service_logs.lines(self._redis, self.pool.replica.spec.entity_id)]


@pytest.fixture(scope="module")
def service() -> Iterator[PyfuncService]:
    opened = PyfuncService.open()
    opened.keep_zygote()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def folder(service: PyfuncService, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The poisoned model, stored and unpacked as a replica has it."""
    place = tmp_path_factory.mktemp("poisoned")
    sha256, path = store.put_pieces(place / "store", pack(save("poisoned", place / "model")))
    return str(service.folders.put(path, sha256))


@pytest.fixture
def caller(service: PyfuncService, folder: str, redis: Any) -> Iterator[Caller]:
    # the usual 4 GiB would be filled for real
    spec = ReplicaSpec("e1", "pyfunc", "", "", "poisoned-1", memory_limit_bytes=GIB // 2)
    pool = Pool(
        Replica(spec, "r1", "node-1", None, b"", None, redis, deque()),
        service,
        folder,
        Environment({"API_KEY": SECRET}, (SECRET,)),
    )
    pool.start()
    yield Caller(pool, redis)
    pool.stop()


def test_it_works(caller: Caller) -> None:
    assert caller(21.0) == (200, {"predictions": [42.0]})


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (CRASH, "was killed by signal 11 (SIGSEGV)"),
        (LEAVE, "exited with status 9"),
        (EAT, "needed more memory than the 0.5 GiB of its workload type"),
    ],
)
def test_a_process_that_dies_is_a_500_for_its_request_alone(caller: Caller, deed: float, words: str) -> None:
    before, poisoned, after = (caller.ask(value) for value in (20.0, deed, 30.0))
    status, body = caller.answer(poisoned)
    assert (status, body["error_code"]) == (500, "INTERNAL_ERROR")
    assert words in body["message"]
    assert caller.answer(before) == (200, {"predictions": [40.0]})
    assert caller.answer(after) == (200, {"predictions": [60.0]})
    assert len(caller.pool.replica.crashes) == 1


@pytest.mark.parametrize("deed", [LOOP, SLEEP])
def test_a_hang_is_ended_at_its_deadline_and_nobody_waits_for_it(caller: Caller, deed: float) -> None:
    hanging = caller.ask(deed, timeout_s=5.0)
    others = [caller.ask(float(value)) for value in range(100, 110)]
    assert [caller.answer(other) for other in others] == [(200, {"predictions": [2.0 * v]}) for v in range(100, 110)]
    assert not caller.is_answered(hanging)
    status, body = caller.answer(hanging)
    assert (status, body["error_code"]) == (504, "DEADLINE_EXCEEDED")
    assert body["message"] == "Timed out while evaluating the model. Verify that the model evaluates within the timeout."
    assert caller(50.0) == (200, {"predictions": [100.0]})


def test_hangs_on_every_place_are_ended_and_the_next_request_is_answered(caller: Caller) -> None:
    hanging = [caller.ask(SLEEP, timeout_s=2.0) for _ in range(PYFUNC_PLACES)]
    waiting = caller.ask(60.0)
    assert {caller.answer(each)[0] for each in hanging} == {504}
    assert caller.answer(waiting) == (200, {"predictions": [120.0]})


def test_an_exception_has_mlflows_words_and_no_secret(caller: Caller) -> None:
    status, body = caller(RAISE)
    assert (status, body["error_code"]) == (400, "BAD_REQUEST")
    assert body["message"].startswith("Encountered an unexpected error while evaluating the model.")
    assert "RuntimeError: no luck with [REDACTED]" in body["stack_trace"]
    assert "s3cret" not in json.dumps(body)
    wait_for(lambda: "about to fail [REDACTED]" in caller.lines(), 60, f"not in {caller.lines()}")


def test_a_flood_is_cut_and_the_request_answered(caller: Caller) -> None:
    assert caller(FLOOD) == (200, {"predictions": [12.0]})
    wait_for(lambda: any("output truncated" in line for line in caller.lines()), 60, "the flood was not cut")
    kept = caller.lines()
    assert len(kept) <= service_logs.MAX_LINES
    assert sum(line.startswith("flood ") for line in kept) > 100


def test_no_process_is_made(caller: Caller) -> None:
    status, body = caller(FORK)
    assert status == 400
    assert "PermissionError" in body["stack_trace"]


def test_a_forged_status_never_leaves_the_replica(caller: Caller) -> None:
    status, body = caller(FORGE)
    assert (status, body["error_code"]) == (500, "INTERNAL_ERROR")
    assert caller(20.0) == (200, {"predictions": [40.0]})


def test_what_a_stopping_replica_holds_is_answered(caller: Caller, settings: Any) -> None:
    resting = caller.ask(REST)
    wait_for(lambda: caller.pool.is_busy, 60, "the request was not taken")
    waiting = caller.ask(20.0)
    caller.pool.stop(pyfunc_worker.DRAIN_S)
    assert caller.answer(resting) == (200, {"predictions": [22.0]})
    assert caller.answer(waiting) == (200, {"predictions": [40.0]})
    assert settings.INVOCATION_TIMEOUT_S <= pyfunc_worker.DRAIN_S < node.KILL_AFTER_S, "any request may take that long"


def test_temporary_files_work(caller: Caller) -> None:
    assert caller(TEMPORARY) == (200, {"predictions": [18.0]})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_three_deaths_give_the_entity_up(caller: Caller) -> None:
    for _ in range(replica.CRASHES_ALLOWED):
        assert caller(LEAVE)[0] == 500
    assert caller.pool.replica.given_up == "The model's process exited with status 9, 3 times within 5 minutes."


def test_a_request_whose_runner_is_killed_from_outside_is_answered(caller: Caller, service: PyfuncService) -> None:
    slow = caller.ask(SLEEP, timeout_s=3.0)
    wait_for(lambda: caller.pool.is_busy, 60, "the request was not taken")
    for pid in runners(service):
        os.kill(pid, signal.SIGKILL)
    assert caller.answer(slow)[0] == 504, "asked again, it hangs until its deadline"
    assert not caller.pool.replica.crashes
    assert caller(70.0) == (200, {"predictions": [140.0]})


def test_the_end_of_the_zygote_is_survived(caller: Caller, service: PyfuncService) -> None:
    assert service._zygote is not None
    old = service._zygote.pid
    os.kill(old, signal.SIGKILL)
    answers = [caller(80.0)]
    while service._zygote.pid == old:  # its runners die with it, but one may have answered before
        answers.append(caller(80.0))
    assert {status for status, _ in answers} == {200}
    assert all(body == {"predictions": [160.0]} for _, body in answers)


def test_runners_end_with_their_replica(caller: Caller, service: PyfuncService) -> None:
    assert caller(90.0)[0] == 200
    caller.pool.stop()
    wait_for(lambda: not runners(service), 60, "a runner was left behind")


def runners(service: PyfuncService) -> list[int]:
    """Process ids of the zygote's living children."""
    assert service._zygote is not None
    path = Path(f"/proc/{service._zygote.pid}/task/{service._zygote.pid}/children")
    return [int(pid) for pid in path.read_text().split() if not _is_zombie(int(pid))]


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
