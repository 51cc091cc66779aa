"""Requests made up for what is answered before Django, on the running site: no 5xx, and refusals that clients can read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.made_up_requests import Calls, troubles
from tests.deployed import workspace_client
from tests.stack import ROOT, Stack

CALLS: dict[str, Calls] = yaml.safe_load(Path(ROOT / "tests" / "contract" / "streamed_calls.yaml").read_text())


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token("learner")


@pytest.fixture(scope="module")
def with_volume(stack: Stack, token: str) -> Any:
    from databricks.sdk.service.catalog import VolumeType

    client = workspace_client(stack, token)
    volume = client.volumes.create("main", "default", "v", VolumeType.MANAGED)
    yield volume
    client.volumes.delete(volume.full_name)


@pytest.mark.parametrize("service", CALLS)
def test_no_request_breaks_it(service: str, stack: Stack, token: str, with_volume: Any) -> None:
    assert troubles(service, CALLS[service], stack.url, token) == []
