"""One deployed model that adds three columns, shared by the tests of the data plane."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.deployed import deploy_sum_model, workspace_client
from tests.stack import Stack

ENDPOINT = "adder"


@pytest.fixture(scope="session")
def learner_token(stack: Stack) -> str:
    return stack.token("learner")


@pytest.fixture(scope="session")
def adder(stack: Stack, learner_token: str) -> str:
    """Name of an endpoint whose model answers a + b + c."""
    deploy_sum_model(stack, learner_token, ENDPOINT)
    return ENDPOINT


@pytest.fixture(scope="session")
def http(stack: Stack, learner_token: str) -> Iterator[httpx.Client]:
    """Plain HTTP as the learner."""
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {learner_token}"}, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def sdk(stack: Stack, learner_token: str) -> Any:
    return workspace_client(stack, learner_token)
