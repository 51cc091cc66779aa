"""Tokens, secrets, identity and discovery, as databricks-sdk and curl see them."""

import base64
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.config import Config


def test_who_am_i(w: Any) -> None:
    me = w.current_user.me()
    assert (me.user_name, me.active) == ("ada@example.org", True)


def test_discovery_needs_no_credentials(site: str) -> None:
    answer = httpx.get(f"{site}/.well-known/databricks-config")
    assert (answer.status_code, answer.json()) == (200, {})


def test_a_token_made_by_a_token(w: Any, site: str) -> None:
    made = w.tokens.create(comment="second", lifetime_seconds=3600)
    assert made.token_info.expiry_time - made.token_info.creation_time == pytest.approx(3_600_000, abs=50)
    second = WorkspaceClient(config=Config(host=site, token=made.token_value, retry_timeout_seconds=5))
    assert second.current_user.me().user_name == "ada@example.org"
    infos = {t.comment: t for t in w.tokens.list()}
    assert set(infos) == {"", "second"}
    assert infos[""].expiry_time == -1

    w.tokens.delete(made.token_info.token_id)
    with pytest.raises(errors.Unauthenticated):
        second.current_user.me()
    with pytest.raises(errors.ResourceDoesNotExist):
        w.tokens.delete(made.token_info.token_id)


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer dapi0123", "Basic dXNlcjpwYXNz", "dapi0123"])
def test_a_wrong_credential_gets_401_and_nothing_else(site: str, header: str | None) -> None:
    for path in (
        "/api/2.0/serving-endpoints",
        "/api/2.0/token/list",
        "/api/2.0/preview/scim/v2/Me",
        "/api/2.0/secrets/scopes/list",
    ):
        answer = httpx.get(site + path, headers={"Authorization": header} if header else {})
        assert answer.status_code == 401
        assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_malformed_json(w: Any, site: str) -> None:
    answer = httpx.post(
        f"{site}/api/2.0/serving-endpoints",
        content=b'{"name": ',
        headers={"Authorization": f"Bearer {w.config.token}", "Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert "not valid JSON" in answer.json()["message"]


def test_secrets(w: Any, client_of: Any) -> None:
    w.secrets.create_scope("llm")
    with pytest.raises(errors.ResourceAlreadyExists, match="Scope llm already exists!"):
        w.secrets.create_scope("llm")
    w.secrets.put_secret("llm", "a", string_value=" kept as it is ")
    w.secrets.put_secret("llm", "b", bytes_value=base64.b64encode(b"bytes").decode())
    assert [s.name for s in w.secrets.list_scopes()] == ["llm"]
    assert [s.key for s in w.secrets.list_secrets("llm")] == ["a", "b"]
    assert base64.b64decode(w.secrets.get_secret("llm", "a").value) == b" kept as it is "
    assert base64.b64decode(w.secrets.get_secret("llm", "b").value) == b"bytes"

    other = client_of("eve")
    assert list(other.secrets.list_scopes()) == []
    with pytest.raises(errors.ResourceDoesNotExist, match="Scope llm does not exist!"):
        other.secrets.get_secret("llm", "a")

    w.secrets.delete_secret("llm", "a")
    with pytest.raises(errors.ResourceDoesNotExist):
        w.secrets.get_secret("llm", "a")
    w.secrets.delete_scope("llm")
    assert list(w.secrets.list_scopes()) == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({}, "exactly one of string_value and bytes_value"), ({"bytes_value": "not base64!"}, "bytes_value: It must be base64")],
)
def test_a_wrong_secret(w: Any, values: dict[str, str], sentence: str) -> None:
    w.secrets.create_scope("llm")
    with pytest.raises(errors.InvalidParameterValue, match=sentence):
        w.secrets.put_secret("llm", "a", **values)
