"""A second node joins with a data directory of its own and takes its share, of what runs already too; when it dies its replicas
come up elsewhere; nothing is lost at any time."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from tests.deployed import SUM_MODEL, sum_model, workspace_client
from tests.faults.load import Load
from tests.second_node import SecondNode, site_redis
from tests.stack import Stack, wait_for

pytestmark = pytest.mark.faults
FIRST, SPREAD, ALONE = "first", "spread", "alone"
JOINED = "node-2"
RECOVERS_WITHIN_S = 90.0


def nodes_of(stack: Stack, entity_id: str) -> Counter[str]:
    """Node -> how many replicas of the entity it runs."""
    with site_redis(stack) as client:
        found = [orjson.loads(value) for value in client.hvals(f"live:replicas:{entity_id}")]
    return Counter(replica["node"] for replica in found if not replica["draining"])


def entity_ids(stack: Stack, name: str) -> list[str]:
    """Ids of the served entities of the endpoint's active config, from what gateways are told."""
    with site_redis(stack) as client:
        (key,) = client.scan_iter(f"live:endpoint:*:{name}")
        return [entity["entity_id"] for entity in orjson.loads(client.get(key))["entities"]]


def deploy(client: Any, name: str, **size: Any) -> None:
    entity = ServedEntityInput(entity_name=SUM_MODEL, entity_version="1", scale_to_zero_enabled=False, **size)
    client.serving_endpoints.create_and_wait(name=name, config=EndpointCoreConfigInput(name=name, served_entities=[entity]))


def states(client: Any, name: str) -> tuple[str, str]:
    """Readiness of the endpoint, and the deployment state of its one entity."""
    found = client.serving_endpoints.get(name)
    return found.state.ready.value, found.config.served_entities[0].state.deployment.value


def logs(client: Any, name: str) -> str:
    return str(client.serving_endpoints.logs(name, "adder-1").logs)


@pytest.mark.timeout(600)
async def test_it_joins_takes_its_share_and_dies_under_load(stack: Stack) -> None:
    token = await asyncio.to_thread(stack.token, "author")
    await asyncio.to_thread(sum_model, stack, token)
    client = workspace_client(stack, token)
    for name in (FIRST, ALONE):
        await asyncio.to_thread(deploy, client, name, workload_size="Small")
    (alone,) = entity_ids(stack, ALONE)
    assert nodes_of(stack, alone) == {"node-1": 1}
    node = SecondNode(stack, JOINED)
    try:
        async with Load(f"{stack.url}/serving-endpoints/{ALONE}/invocations", token, "alone") as lone:
            await lone.until_answered(100, 60)
            await asyncio.to_thread(node.__enter__)
            # of the two endpoints on the first node the one that is called moves
            await asyncio.to_thread(wait_for, lambda: nodes_of(stack, alone) == {JOINED: 1}, 60, "no replica has moved")
            await lone.until_answered(100, 60)
        assert (lone.answers.wrong, lone.answers.refused, lone.answers.broken) == ([], {}, set())
        await asyncio.to_thread(deploy, client, SPREAD, workload_size="Medium")
        (spread,) = entity_ids(stack, SPREAD)
        assert nodes_of(stack, spread) == {"node-1": 1, JOINED: 1}
        # fetched by its content's hash, not from a shared disk; what else the site serves may have moved there too
        assert model_files(node.data_dir) >= 1

        async with (
            Load(f"{stack.url}/serving-endpoints/{SPREAD}/invocations", token, "spread") as shared,
            Load(f"{stack.url}/serving-endpoints/{ALONE}/invocations", token, "alone") as lone,
        ):
            await shared.until_answered(100, 60)
            await lone.until_answered(100, 60)
            node.kill()
            # the state may last for less than a look at it takes; its line in the log stays
            await asyncio.to_thread(wait_for, lambda: "DEPLOYMENT_RECOVERING" in logs(client, ALONE), 90, "it is not RECOVERING")
            assert states(client, SPREAD) == ("READY", "DEPLOYMENT_READY")
            await asyncio.to_thread(wait_for, lambda: states(client, ALONE)[0] == "READY", 90, "it did not recover")
            await shared.until_answered(100, RECOVERS_WITHIN_S)
            await lone.until_answered(100, RECOVERS_WITHIN_S)
        for load in (shared, lone):
            assert (load.answers.wrong, load.answers.refused, load.answers.broken) == ([], {}, set())
        assert nodes_of(stack, alone) == {"node-1": 1}
        await asyncio.to_thread(wait_for, lambda: nodes_of(stack, spread) == {"node-1": 2}, 90, "one replica is missing")
    finally:
        node.__exit__(None, None, None)
        for endpoint in client.serving_endpoints.list():
            if endpoint.name in {FIRST, SPREAD, ALONE}:
                client.serving_endpoints.delete(endpoint.name)


def model_files(data_dir: Path) -> int:
    return sum(len(path.name) == 64 for path in (data_dir / "models").iterdir())
