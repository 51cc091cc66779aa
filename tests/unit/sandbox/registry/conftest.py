"""A workspace with a REST client, a member, somebody else's workspace, and small models on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

OSS, UC, CATALOG = "/api/2.0/mlflow/", "/api/2.0/mlflow/unity-catalog/", "/api/2.1/unity-catalog/"
SIGNED = """\
flavors:
  python_function: {loader_module: mlflow.sklearn}
  sklearn: {sklearn_version: '1.5'}
signature:
  inputs: '[{"type": "double", "name": "tenure", "required": true}]'
  outputs: '[{"type": "string", "required": true}]'
"""
ONLY_INPUTS = SIGNED.replace("  outputs: ", "  outputs: null  # ")
UNSIGNED = SIGNED.split("signature:", maxsplit=1)[0]


@dataclass(frozen=True)
class Rest:
    """One person's calls in one workspace; `call` answers (status, JSON)."""

    workspace: Any
    user: Any
    plain: str

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.plain}"}
        if method == "GET":
            answer = Client().get(path, query, headers=headers)
        else:
            answer = Client().generic(method, path, _json(body or {}), content_type="application/json", headers=headers)
        return answer.status_code, answer.json()

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        status, answer = self.call(method, path, body, **query)
        assert status == 200, answer
        return answer

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        status, answer = self.call(method, path, body, **query)
        assert status >= 400, answer
        assert answer["message"]
        return status, answer["error_code"]

    @property
    def caller(self) -> Any:
        from sandbox.workspaces.members import Caller

        return Caller(self.workspace, self.user)


def _json(body: Any) -> str:
    import json

    return json.dumps(body)


def _rest(workspace: Any, user: Any) -> Rest:
    from sandbox.workspaces.operations import issue_token

    return Rest(workspace, user, issue_token(workspace, user)[1])


def _person(name: str) -> Any:
    from sandbox.workspaces.models import User

    return User.objects.create(username=name, email=f"{name}@example.org")


@pytest.fixture
def ada(db: None, data_dir: Path) -> Rest:
    """The owner of the workspace."""
    from sandbox.workspaces.operations import open_workspace

    user = _person("ada")
    return _rest(open_workspace(user), user)


@pytest.fixture
def bob(ada: Rest) -> Rest:
    """A member of Ada's workspace with no rights but those that everybody has."""
    from sandbox.workspaces import members

    user = _person("bob")
    members.add_member(ada.workspace, "bob@example.org")
    return _rest(ada.workspace, user)


@pytest.fixture
def eve(ada: Rest) -> Rest:
    """The owner of another workspace."""
    from sandbox.workspaces.operations import open_workspace

    user = _person("eve")
    return _rest(open_workspace(user), user)


@pytest.fixture
def model_dir(tmp_path: Path) -> Callable[..., Path]:
    """A saved model, as far as the registry looks."""

    def make(mlmodel: str = SIGNED, name: str = "saved") -> Path:
        folder = tmp_path / name
        (folder / "deep").mkdir(parents=True)
        (folder / "MLmodel").write_text(mlmodel)
        (folder / "deep" / "weights.bin").write_bytes(b"\x00\x01" * 100)
        return folder

    return make


@pytest.fixture
def churn(ada: Rest, model_dir: Callable[..., Path]) -> Rest:
    """main.default.churn with one READY version."""
    from sandbox.registry import store

    assert store.register_directory(ada.workspace.id, "main.default.churn", model_dir()) == "1"
    return ada


def grant(rest: Rest, privilege: str, full_name: str, kind: str = "MODEL") -> None:
    """Give a person a privilege directly."""
    from sandbox.catalog.models import Grant, Securable
    from sandbox.workspaces.operations import person

    securable = Securable.objects.get(workspace=rest.workspace, securable_type=kind, full_name=full_name)
    Grant.objects.create(securable=securable, principal=person(rest.user), privilege=privilege)
