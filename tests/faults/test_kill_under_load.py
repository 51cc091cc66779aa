"""kill -9 of any one process under load: the site recovers by itself and every 200 is in the inference table exactly once."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from deltalake import DeltaTable

from sandbox.replicas.restarts import DEATHS_ALLOWED
from tests.deployed import deploy_sum_model
from tests.faults.load import Load
from tests.stack import Stack, wait_for

pytestmark = pytest.mark.faults
ENDPOINT = "faults"
BEFORE, AFTER = 150, 150
"""Right answers to see before the kill, and after it."""
RECOVERS_WITHIN_S = 90.0
CAPTURED_WITHIN_S = 90.0
SITE_PROCESSES = ["redis", "control", "node", "web", "mlflow", "provider-simulator"]


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    token = stack.token("learner")
    deploy_sum_model(stack, token, ENDPOINT)
    return token


@pytest.fixture(scope="module")
def state(stack: Stack) -> Iterator[Any]:
    """The site's Redis."""
    client = redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock"))
    yield client
    client.close()


def replica_pid(state: Any) -> int:
    """The Celery worker of the endpoint's one replica."""
    (endpoint,) = [orjson.loads(state.get(key)) for key in state.scan_iter(f"live:endpoint:*:{ENDPOINT}")]
    entities = [each["entity_id"] for each in endpoint["entities"]]
    found = [orjson.loads(value) for entity in entities for value in state.hvals(f"live:replicas:{entity}")]
    assert len(found) == 1, found
    return int(found[0]["pid"])


def runner_pid(state: Any) -> int:
    """The jailed child that holds the model."""
    return runner_of(replica_pid(state))


def runner_of(worker: int) -> int:
    children = [int(pid) for task in Path(f"/proc/{worker}/task").iterdir() for pid in (task / "children").read_text().split()]
    assert len(children) == 1, children
    return children[0]


def captured(stack: Stack) -> Counter[str]:
    """How often each client_request_id of an answered request is in the endpoint's inference table, with its own body."""
    tables = list((stack.data_dir / "delta").glob(f"*/main/default/{ENDPOINT}_payload"))
    if not tables or not DeltaTable.is_deltatable(str(tables[0])):
        return Counter()
    rows = DeltaTable(tables[0]).to_pyarrow_table(columns=["client_request_id", "status_code", "request"]).to_pylist()
    whole = [row for row in rows if row["status_code"] == 200 and _is_whole(row["request"], row["client_request_id"])]
    return Counter(row["client_request_id"] for row in whole)


def _is_whole(body: str, request_id: str) -> bool:
    return bool(orjson.loads(body)["client_request_id"] == request_id)


async def kill_under_load(stack: Stack, token: str, name: str, kill: Any) -> Load:
    """Ask, kill, ask on until it answers again; returns what the callers saw."""
    url = f"{stack.url}/serving-endpoints/{ENDPOINT}/invocations"
    async with Load(url, token, name) as load:
        await load.until_answered(BEFORE, 60)
        await asyncio.to_thread(kill)
        await load.until_answered(AFTER, RECOVERS_WITHIN_S)
    return load


def assert_nothing_lost(stack: Stack, load: Load) -> None:
    answered = set(load.answers.right)
    assert load.answers.wrong == []
    assert len(answered) >= BEFORE + AFTER
    wait_for(lambda: answered <= set(captured(stack)), CAPTURED_WITHIN_S, "answered requests are missing", stack.log_tails)
    counts = captured(stack)
    assert [request_id for request_id in answered if counts[request_id] != 1] == []
    assert max(counts.values()) == 1  # nor is any other request there twice


@pytest.mark.parametrize("process", SITE_PROCESSES)
async def test_a_process_of_the_site(stack: Stack, token: str, process: str) -> None:
    load = await kill_under_load(stack, token, process, lambda: stack.kill(process))
    await asyncio.to_thread(stack.wait_ready, 120)
    await asyncio.to_thread(assert_nothing_lost, stack, load)
    if process in {"mlflow", "provider-simulator"}:
        assert load.answers.refused == {}  # an invocation needs neither
        assert load.answers.broken == set()


@pytest.mark.parametrize("which", ["replica", "runner"])
async def test_a_process_that_holds_the_model(stack: Stack, token: str, state: Any, which: str) -> None:
    pid = replica_pid(state) if which == "replica" else runner_pid(state)
    load = await kill_under_load(stack, token, which, lambda: os.kill(pid, signal.SIGKILL))
    await asyncio.to_thread(assert_nothing_lost, stack, load)
    assert set(load.answers.refused.values()) <= {429, 503, 504}  # the caller is told to come back, never "500"


async def test_all_that_holds_the_model_again_and_again(stack: Stack, token: str, state: Any) -> None:
    """More often than a replica may die that never took a request."""
    url = f"{stack.url}/serving-endpoints/{ENDPOINT}/invocations"
    async with Load(url, token, "all") as load:
        for _ in range(DEATHS_ALLOWED + 2):
            await load.until_answered(60, RECOVERS_WITHIN_S)
            worker = await asyncio.to_thread(replica_pid, state)
            for pid in (runner_of(worker), worker):
                os.kill(pid, signal.SIGKILL)
        await load.until_answered(60, RECOVERS_WITHIN_S)
    await asyncio.to_thread(assert_nothing_lost, stack, load)
    assert load.answers.refused == {}
    assert load.answers.broken == set()
