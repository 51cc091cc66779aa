"""The Files API in this process: requests are scopes made by hand, so that no client tidies a hostile path up."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox.catalog import volumes
from sandbox.catalog.models import Securable
from sandbox.files import places, quota
from sandbox.files.app import FilesApp
from sandbox.live import LiveToken
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User, Workspace
from sandbox.workspaces.operations import open_workspace

VOLUME = "/Volumes/main/default/data"
Piece = bytes | None
"""A piece of a body; None: the connection breaks."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Files:
    """The application; the name of a person is her token."""

    def __init__(self, workspaces: dict[str, tuple[Workspace, User]]) -> None:
        self.workspaces = workspaces
        self.app = FilesApp(self._authenticate)

    async def _authenticate(self, header: bytes) -> LiveToken | None:
        found = self.workspaces.get(header.decode().removeprefix("Bearer "))
        if found is None:
            return None
        workspace, user = found
        return LiveToken("t", workspace.id, user.username, user_id=str(user.pk))

    def __call__(
        self,
        method: str,
        address: str,
        body: bytes | list[Piece] = b"",
        who: str = "ada",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        pieces: list[Piece] = [body] if isinstance(body, bytes) else body
        sent = {"host": "files.test", **({"authorization": f"Bearer {who}"} if who else {}), **(headers or {})}
        return asyncio.run(self._ask(method, address, pieces, sent, urlencode(query)))

    async def _ask(self, method: str, path: str, pieces: list[Piece], headers: dict[str, str], query: str) -> Answer:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "scheme": "http",
        }
        waiting = list(pieces)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            piece = waiting.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start = sent[0]
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def roots(data_dir: Path, settings: Any) -> Iterator[Path]:
    """Every folder of files below one of the test's own."""
    settings.VOLUMES_DIR = data_dir / "volumes"
    settings.UPLOADS_DIR = data_dir / "uploads"
    settings.MLFLOW_DIR = data_dir / "mlflow"
    quota.forget()
    places._roots.clear()
    yield data_dir
    quota.forget()


@pytest.fixture
def files(roots: Path, redis: Any, learner: Any, stranger: Any, instructor: Any) -> Files:
    """Ada owns a workspace with the volume `main.default.data`; Bob is a member of it; Eve and Grace have their own."""
    workspace = open_workspace(learner)
    bob = User.objects.create_user("bob", email="bob@example.org", password="a long pass phrase")
    members.add_member(workspace, "bob@example.org")
    volumes.create_volume(Caller(workspace, learner), "main.default.data")
    return Files(
        {
            "ada": (workspace, learner),
            "bob": (workspace, bob),
            "eve": (open_workspace(stranger), stranger),
            "grace": (open_workspace(instructor), instructor),
        }
    )


@pytest.fixture
def volume(files: Files) -> Securable:
    return Securable.objects.get(workspace=files.workspaces["ada"][0], full_name="main.default.data")


@pytest.fixture
def on_disk(roots: Path) -> Callable[[], list[str]]:
    """Every file below the folders, by its path from them."""

    def look() -> list[str]:
        found = [path for name in ("volumes", "uploads", "registry", "mlflow") for path in (roots / name).rglob("*")]
        return sorted(str(path.relative_to(roots)) for path in found if not path.is_dir())

    return look
