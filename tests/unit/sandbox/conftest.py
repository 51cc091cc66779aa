"""People, workspaces, and a Redis of one's own, for tests that use the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.embedded_redis import point_at, running_redis


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def redis(redis_url: str, settings: Any) -> Any:
    """The site's Redis, empty."""
    return point_at(redis_url, settings)


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Path:
    """Nothing that a test writes lands in the checkout."""
    settings.DATA_DIR = tmp_path
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.MODEL_DIR = tmp_path / "models"
    settings.MODEL_DIR.mkdir()
    settings.RUN_DIR = tmp_path / "run"
    settings.MLFLOW_SOCKET = tmp_path / "no-mlflow.sock"
    return tmp_path


@pytest.fixture
def learner(transactional_db: None) -> Any:
    from sandbox.workspaces.models import User

    return User.objects.create_user("ada", email="ada@example.org", password="a long pass phrase")


@pytest.fixture
def stranger(transactional_db: None) -> Any:
    from sandbox.workspaces.models import User

    return User.objects.create_user("eve", email="eve@example.org", password="a long pass phrase")


@pytest.fixture
def instructor(transactional_db: None) -> Any:
    from sandbox.workspaces.models import Role, User

    return User.objects.create_user("grace", password="a long pass phrase", role=Role.INSTRUCTOR)


@pytest.fixture
def workspace(learner: Any, redis: Any, data_dir: Path) -> Any:
    from sandbox.workspaces.operations import open_workspace

    return open_workspace(learner)
