"""Everybody has main.default.churn, which all of the workspace may load, in nine versions without files: nothing builds them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.endpoint_rows import register_model


@pytest.fixture
def client_of(client_of: Callable[..., Any]) -> Callable[..., Any]:
    """The same client, of somebody who has registered models."""

    def make(username: str, role: str = "learner") -> Any:
        from sandbox.catalog.models import Grant, Securable
        from sandbox.workspaces.models import Workspace

        client = client_of(username, role)
        workspace = Workspace.objects.get(owner__username=username)
        if not Securable.objects.filter(workspace=workspace, full_name="main.default.churn").exists():
            register_model(workspace, "main.default.churn", 9)
            model = Securable.objects.get(workspace=workspace, full_name="main.default.churn")
            Grant.objects.create(securable=model, principal="users", privilege="EXECUTE")
        return client

    return make
