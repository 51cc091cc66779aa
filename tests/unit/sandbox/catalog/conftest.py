"""A workspace with people, and its files in a folder of the test."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace


@pytest.fixture(autouse=True)
def folders_of(settings: Any, tmp_path: Path) -> Any:
    """The settings, with folders of the test's own."""
    settings.DELTA_DIR = tmp_path / "delta"
    settings.VOLUMES_DIR = tmp_path / "volumes"
    return settings


def person_named(name: str) -> User:
    return User.objects.create(username=name, email=f"{name}@example.org")


@pytest.fixture
def ada(db: None) -> Caller:
    """The owner of the workspace."""
    user = person_named("ada")
    return Caller(open_workspace(user), user)


@pytest.fixture
def bob(ada: Caller) -> Caller:
    """A member of ada's workspace without admin rights."""
    user = person_named("bob")
    members.add_member(ada.workspace, "bob")
    return Caller(ada.workspace, user)


@pytest.fixture
def eve(db: None) -> Caller:
    """The owner of another workspace."""
    user = person_named("eve")
    return Caller(open_workspace(user), user)
