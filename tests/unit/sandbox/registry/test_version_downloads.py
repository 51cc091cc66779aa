"""Files of versions by an artifact address: for who may load the model, and never to be changed."""

import asyncio
from typing import Any

import pytest

from sandbox.errors import InvalidState, PermissionDenied, ResourceDoesNotExist
from sandbox.files.places import Who
from sandbox.registry import version_downloads

from .conftest import OSS, Rest, grant

NAME = "main.default.churn"


def who(rest: Rest) -> Who:
    return Who(rest.workspace.id, str(rest.user.pk))


def find(rest: Rest, path: str) -> Any:
    inside = tuple(path.removeprefix(version_downloads._root(rest.workspace.id)).strip("/").split("/"))
    return version_downloads._find(who(rest), path, inside)


@pytest.fixture
def path(churn: Rest) -> str:
    uri: str = churn.ok("GET", OSS + "model-versions/get-download-uri", name=NAME, version="1")["artifact_uri"]
    assert uri.startswith(f"mlflow-artifacts:/workspaces/ws-{churn.workspace.id}/registry/")
    return uri.removeprefix("mlflow-artifacts:/")


def test_the_address_leads_to_the_files(churn: Rest, bob: Rest, path: str) -> None:
    place = find(churn, f"{path}/deep/weights.bin")
    assert (place.root.joinpath(*place.parts)).read_bytes() == b"\x00\x01" * 100
    with pytest.raises(PermissionDenied, match="EXECUTE"):
        find(bob, f"{path}/MLmodel")
    grant(bob, "EXECUTE", NAME)
    assert find(bob, f"{path}/MLmodel") == find(churn, f"{path}/MLmodel")


def test_what_is_not_there_or_not_ready_is_missing(churn: Rest, eve: Rest, path: str) -> None:
    for wrong in (f"{path[:-1]}2/MLmodel", f"{path[:-1]}x/MLmodel", f"{path[:-2]}/MLmodel", f"{path[:-1]}99999999999/MLmodel"):
        with pytest.raises(ResourceDoesNotExist):
            find(churn, wrong)
    with pytest.raises(ResourceDoesNotExist):
        find(eve, path.replace(churn.workspace.id, eve.workspace.id) + "/MLmodel")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nothing_is_ever_written_there(churn: Rest, path: str, method: str) -> None:
    assert version_downloads.is_of_a_version(churn.workspace.id, f"{path}/MLmodel")
    assert not version_downloads.is_of_a_version(churn.workspace.id, path.replace("/registry/", "/registry2/"))
    with pytest.raises(InvalidState, match="never change"):
        asyncio.run(version_downloads.send_version_file(_unused, method, {}, who(churn), f"{path}/MLmodel"))


async def _unused(message: Any) -> None:
    raise AssertionError("nothing is sent")
