"""Replicas come and go with the load, on the workspace's clock: up, down, to zero, and back for a herd of callers."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput, ServingModelWorkloadType

from tests.deployed import SUM_MODEL, sum_model, workspace_client
from tests.second_node import site_redis
from tests.stack import Stack, wait_for

FACTOR = 120
"""Thirty idle minutes pass in 15 s, the five minutes of scaling down in 2.5 s."""
NAME = "scaled"
ROWS = 4_000
MUCH = orjson.dumps({"dataframe_split": {"columns": ["a", "b", "c"], "data": [[n, 0.5, 1] for n in range(ROWS)]}})
SET_FACTOR = """
from sandbox.workspaces import clock
from sandbox.workspaces.models import Workspace
clock.set_factor(Workspace.objects.get(owner__username="author"), {factor})
"""


@pytest.fixture(scope="module")
def author_token(stack: Stack) -> Iterator[str]:
    """Of a workspace whose clock runs faster while these tests run."""
    token = stack.token("author")
    sum_model(stack, token)
    stack.manage("shell", "-c", SET_FACTOR.format(factor=FACTOR))
    yield token
    stack.manage("shell", "-c", SET_FACTOR.format(factor=1))


@pytest.fixture(scope="module")
def state(stack: Stack) -> Iterator[Any]:
    client = site_redis(stack)
    yield client
    client.close()


def replicas(state: Any, endpoint_id: str) -> list[str]:
    """Ids of the replicas that take requests, of all entities that the endpoint has had."""
    entities = [entity.decode() for entity in state.zrange(f"metrics:entities:{endpoint_id}", 0, -1)]
    found = [orjson.loads(value) for entity in entities for value in state.hvals(f"live:replicas:{entity}")]
    return [replica["replica_id"] for replica in found if not replica["draining"]]


async def ask(client: httpx.AsyncClient, number: int) -> int:
    """The status; a wrong prediction is none."""
    answer = await client.post(
        f"/serving-endpoints/{NAME}/invocations", json={"dataframe_records": [{"a": number, "b": 0.5, "c": 1}]}
    )
    if answer.status_code == 200 and abs(answer.json()["predictions"][0] - (number + 1.5)) > 1e-3:
        return 0
    return answer.status_code


async def ask_much(client: httpx.AsyncClient) -> int:
    """Like `ask`, with so many rows that the work is on the site's side: a client that is slower than the model keeps it idle."""
    answer = await client.post(f"/serving-endpoints/{NAME}/invocations", content=MUCH)
    if answer.status_code != 200:
        return answer.status_code
    predictions = answer.json()["predictions"]
    is_right = len(predictions) == ROWS and all(abs(predictions[n] - (n + 1.5)) < 1e-3 for n in (0, ROWS // 2, ROWS - 1))
    return 200 if is_right else 0


def callers(stack: Stack, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=stack.url,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        timeout=60,
        trust_env=False,
        limits=httpx.Limits(max_connections=None),
    )


async def keep_busy(stack: Stack, token: str, stop: asyncio.Event, at_once: int) -> Counter[int]:
    statuses: Counter[int] = Counter()

    async def caller(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            statuses[await ask_much(client)] += 1

    async with callers(stack, token) as client:
        await asyncio.gather(*(caller(client) for _ in range(at_once)))
    return statuses


@pytest.mark.timeout(600)
async def test_up_down_to_zero_and_back_for_a_herd(stack: Stack, author_token: str, state: Any) -> None:
    client = workspace_client(stack, author_token)
    entity = ServedEntityInput(
        entity_name=SUM_MODEL,
        entity_version="1",
        min_provisioned_concurrency=0,
        max_provisioned_concurrency=8,
        scale_to_zero_enabled=True,
        workload_type=ServingModelWorkloadType.GPU_SMALL,
    )
    config = EndpointCoreConfigInput(name=NAME, served_entities=[entity])
    endpoint = await asyncio.to_thread(client.serving_endpoints.create_and_wait, name=NAME, config=config)

    def count() -> int:
        return len(replicas(state, endpoint.id))

    def logs() -> str:
        return str(client.serving_endpoints.logs(NAME, "adder-1").logs)

    def until(look: Any, within_s: float, failure: str) -> Any:
        return asyncio.to_thread(wait_for, look, within_s, failure, lambda: f"{count()} replicas\n{logs()}\n{stack.log_tails()}")

    try:
        shown = endpoint.config.served_entities[0]
        assert shown.state.deployment_state_message == "GPU_SMALL: emulated, no CUDA device on any node; it runs on the CPU."

        stop = asyncio.Event()
        load = asyncio.create_task(keep_busy(stack, author_token, stop, at_once=24))
        await until(lambda: count() == 2, 90, "it did not scale up")
        stop.set()
        assert set(await load) == {200}

        await until(lambda: count() == 1, 90, "it did not scale down")
        await until(lambda: count() == 0, 90, "it did not scale to zero")
        assert client.serving_endpoints.get(NAME).state.ready.value == "READY"
        # on a slow machine it may have been at zero before the load came, too
        woken = (await asyncio.to_thread(logs)).count("SCALED_FROM_ZERO")

        async with callers(stack, author_token) as herd:
            statuses = Counter(await asyncio.gather(*(ask(herd, number) for number in range(500))))
        assert statuses == {200: 500}
        told = await asyncio.to_thread(logs)
        assert told.count("SCALED_FROM_ZERO") == woken + 1, told
        down = told.index("SCALED_DOWN")
        assert told.index("SCALED_UP") < down < told.index("SCALED_TO_ZERO", down) < told.rindex("SCALED_FROM_ZERO")
    finally:
        await asyncio.to_thread(client.serving_endpoints.delete, NAME)
    await until(lambda: not state.exists(f"metrics:entities:{endpoint.id}"), 60, "its counts are still there")
