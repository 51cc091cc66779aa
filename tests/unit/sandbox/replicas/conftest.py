"""A Redis with one small online table, filled as a sync does it."""

from collections.abc import Iterator

import pytest
import redis

from tests.embedded_redis import running_redis


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def store(redis_url: str) -> redis.Redis:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    from tests.unit.sandbox.replicas.test_lookups import ROWS, publish

    publish(client, "t1", ROWS, ["bigint"], ["int", "double", "string"])
    return client
