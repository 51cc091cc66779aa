"""The token and secret pages: a token is shown once, a value never, and another's things are missing."""

import re
from typing import Any

import pytest
from django.test import Client

from sandbox.workspaces import secret_store
from sandbox.workspaces.models import Token
from sandbox.workspaces.operations import authenticate, issue_token, open_workspace


@pytest.fixture
def page(workspace: Any, learner: Any, client: Client) -> Client:
    client.force_login(learner)
    return client


def test_a_token_is_shown_once(page: Client, workspace: Any) -> None:
    answer = page.post("/sandbox/tokens/", {"comment": "my laptop", "lifetime_days": "7"})
    found = re.search(r'value="(dapi[0-9a-f]{64})"', answer.content.decode())
    assert answer.status_code == 200
    assert found is not None
    token = authenticate(found[1])
    assert token is not None
    assert (token.workspace_id, token.comment) == (workspace.id, "my laptop")
    assert token.expires_at is not None
    assert (token.expires_at - token.created_at).days in {6, 7}
    assert "no-store" in answer["Cache-Control"]

    later = page.get("/sandbox/tokens/").content.decode()
    assert "my laptop" in later
    assert "dapi" not in later


def test_a_token_is_revoked(page: Client, workspace: Any, learner: Any) -> None:
    token, plain = issue_token(workspace, learner, "old")
    answer = page.post(f"/sandbox/tokens/{token.id}/revoke/", follow=True)
    assert "The token is revoked." in answer.content.decode()
    assert authenticate(plain) is None
    assert page.post(f"/sandbox/tokens/{token.id}/revoke/").status_code == 404


def test_another_persons_token_is_missing(page: Client, stranger: Any) -> None:
    token, plain = issue_token(open_workspace(stranger), stranger, "private matter")
    assert page.post(f"/sandbox/tokens/{token.id}/revoke/").status_code == 404
    assert authenticate(plain) is not None
    assert "private matter" not in page.get("/sandbox/tokens/").content.decode()


def test_a_wrong_lifetime_is_refused(page: Client) -> None:
    answer = page.post("/sandbox/tokens/", {"comment": "x", "lifetime_days": "13"})
    assert answer.status_code == 422
    assert "13 is not one of the available choices" in answer.content.decode()
    assert Token.objects.count() == 0


def test_a_secrets_value_never_comes_back(page: Client, workspace: Any) -> None:
    answer = page.post("/sandbox/secrets/", {"scope": "llm", "key": "openai", "value": "sk-hidden-value"}, follow=True)
    text = answer.content.decode()
    assert "{{secrets/llm/openai}}" in text
    assert "sk-hidden-value" not in text
    assert secret_store.read_secret(workspace, "llm", "openai") == "sk-hidden-value"

    refused = page.post("/sandbox/secrets/", {"scope": "l/m", "key": "openai", "value": "sk-hidden-value"})
    assert refused.status_code == 422
    assert "Use letters, digits" in refused.content.decode()
    assert "sk-hidden-value" not in refused.content.decode()

    page.post("/sandbox/secrets/llm/delete/", {"key": "openai"})
    assert list(secret_store.list_secrets(workspace, "llm")) == []
    assert page.post("/sandbox/secrets/llm/delete/", {"key": "openai"}).status_code == 404
    page.post("/sandbox/secrets/llm/delete/")
    assert list(secret_store.list_scopes(workspace)) == []


@pytest.mark.parametrize("path", ["/sandbox/tokens/", "/sandbox/secrets/"])
def test_one_has_to_sign_in(client: Client, workspace: Any, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={path}")
