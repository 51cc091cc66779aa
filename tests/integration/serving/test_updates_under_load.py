"""Config updates while callers never stop: no request fails, and none is answered by another version than it says."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from tests.deployed import workspace_client
from tests.offset_model import register_versions, version_of
from tests.stack import Stack

NAME = "rolling"
MODEL = f"main.default.{NAME}"
VERSIONS = 4
CALLERS = 16
SEEN_AFTER_S = 1.0
"""Gateways drop an old config at once; what they have in hand then may still be answered by it."""


@dataclass
class Seen:
    """What the callers were answered, in order."""

    wrong: list[str] = field(default_factory=list)
    versions: list[tuple[float, int]] = field(default_factory=list)
    """When it was asked (event loop's time) and which version answered."""
    answered: asyncio.Condition = field(default_factory=asyncio.Condition)


def served(version: int) -> ServedEntityInput:
    return ServedEntityInput(
        entity_name=MODEL, entity_version=str(version), min_provisioned_concurrency=4, max_provisioned_concurrency=8
    )


async def keep_asking(url: str, token: str, seen: Seen, stop: asyncio.Event) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    number = 0.0
    async with httpx.AsyncClient(headers=bearer, timeout=60, trust_env=False) as client:
        while not stop.is_set():
            number += 1
            asked_at = asyncio.get_running_loop().time()
            answer = await client.post(url, json={"dataframe_records": [{"a": number, "b": 0.5, "c": 1}]})
            if answer.status_code != 200:
                seen.wrong.append(f"{answer.status_code} {answer.text}")
                continue
            version = version_of(answer.json()["predictions"][0], number + 1.5)
            if answer.headers["served-model-name"] != f"{NAME}-{version}":
                seen.wrong.append(f"{answer.headers['served-model-name']} answered with version {version}")
            async with seen.answered:
                seen.versions.append((asked_at, version))
                seen.answered.notify_all()


async def until_answered_by(version: int, seen: Seen, times: int) -> None:
    """Wait until the version has answered so often."""
    async with asyncio.timeout(60), seen.answered:
        await seen.answered.wait_for(lambda: sum(found == version for _, found in seen.versions) >= times)


@pytest.mark.timeout(400)
async def test_updates_in_a_row_fail_and_misroute_not_one_request(stack: Stack) -> None:
    token = await asyncio.to_thread(stack.token, "author")
    await asyncio.to_thread(register_versions, stack, token, MODEL, VERSIONS)
    client = workspace_client(stack, token)
    endpoints = client.serving_endpoints
    config = EndpointCoreConfigInput(name=NAME, served_entities=[served(1)])
    await asyncio.to_thread(endpoints.create_and_wait, name=NAME, config=config)
    seen, stop = Seen(), asyncio.Event()
    url = f"{stack.url}/serving-endpoints/{NAME}/invocations"
    callers = [asyncio.create_task(keep_asking(url, token, seen, stop)) for _ in range(CALLERS)]
    active_since: dict[int, float] = {}
    try:
        await until_answered_by(1, seen, 5 * CALLERS)
        for version in range(2, VERSIONS + 1):
            details: Any = await asyncio.to_thread(endpoints.update_config_and_wait, name=NAME, served_entities=[served(version)])
            assert details.config.config_version == version
            active_since[version] = asyncio.get_running_loop().time()
            await until_answered_by(version, seen, 5 * CALLERS)
    finally:
        stop.set()
        await asyncio.gather(*callers)
        await asyncio.to_thread(endpoints.delete, NAME)
    assert seen.wrong == []
    assert {version for _, version in seen.versions} == set(range(1, VERSIONS + 1))
    for asked_at, version in seen.versions:
        newest = max((v for v, since in active_since.items() if since + SEEN_AFTER_S < asked_at), default=1)
        assert version >= newest, "a request was answered by a config that was replaced long before"
