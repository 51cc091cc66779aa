"""The unmodified databricks-sdk against the site on a real port, with a Redis of its own and no node."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.embedded_redis import point_at, running_redis


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def site(live_server: Any, transactional_db: None, redis_url: str, settings: Any, tmp_path: Path) -> str:
    """Address of the site; its Redis is empty, and no MLflow server runs."""
    point_at(redis_url, settings)
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.MODEL_DIR = tmp_path / "models"
    settings.DELTA_DIR = tmp_path / "delta"
    settings.VOLUMES_DIR = tmp_path / "volumes"
    settings.MLFLOW_SOCKET = tmp_path / "no-mlflow.sock"
    settings.ALLOWED_HOSTS = ["*"]
    return str(live_server.url)


@pytest.fixture
def client_of(site: str) -> Callable[..., Any]:
    """A WorkspaceClient of a person who is made on first mention."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    from sandbox.workspaces.models import User
    from sandbox.workspaces.operations import issue_token, open_workspace

    def make(username: str, role: str = "learner") -> Any:
        user, _ = User.objects.get_or_create(username=username, defaults={"email": f"{username}@example.org", "role": role})
        _, plain = issue_token(open_workspace(user), user)
        return WorkspaceClient(config=Config(host=site, token=plain, retry_timeout_seconds=5))

    return make


@pytest.fixture
def w(client_of: Callable[..., Any]) -> Any:
    return client_of("ada")
