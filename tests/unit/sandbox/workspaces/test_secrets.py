"""Secrets: encrypted in the database, readable with the key file only."""

import stat
from typing import Any

import pytest
from cryptography.fernet import Fernet

from sandbox.errors import InvalidParameterValue, InvalidState, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.key_file import keys
from sandbox.workspaces import encryption, secret_store
from sandbox.workspaces.models import Secret
from sandbox.workspaces.operations import open_workspace


def test_it_works(workspace: Any, data_dir: Any) -> None:
    secret_store.create_scope(workspace, "llm")
    secret_store.put_secret(workspace, "llm", "openai", "sk-very-secret")

    assert secret_store.resolve(workspace, "{{secrets/llm/openai}}") == "sk-very-secret"
    assert "sk-very-secret" not in Secret.objects.get().ciphertext
    key_file = data_dir / "secrets" / "fernet_keys"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_writing_again_replaces_the_value(workspace: Any) -> None:
    secret_store.create_scope(workspace, "llm")
    for value in ("first", "second"):
        secret_store.put_secret(workspace, "llm", "k", value)
    assert secret_store.read_secret(workspace, "llm", "k") == "second"
    assert Secret.objects.count() == 1


def test_keys_can_be_rotated(workspace: Any, data_dir: Any) -> None:
    old = encryption.encrypt("kept")
    key_file = data_dir / "secrets" / "fernet_keys"
    key_file.write_text(Fernet.generate_key().decode() + "\n" + key_file.read_text())
    keys.cache_clear()

    assert encryption.decrypt(old) == "kept"
    new = encryption.encrypt("kept")
    key_file.write_text(key_file.read_text().splitlines()[0] + "\n")
    keys.cache_clear()
    assert encryption.decrypt(new) == "kept"
    with pytest.raises(InvalidState, match="cannot be read"):
        encryption.decrypt(old)


def test_another_workspaces_scope_is_not_there(workspace: Any, stranger: Any) -> None:
    secret_store.create_scope(workspace, "llm")
    secret_store.put_secret(workspace, "llm", "k", "v")
    theirs = open_workspace(stranger)

    for attempt in (
        lambda: secret_store.read_secret(theirs, "llm", "k"),
        lambda: secret_store.resolve(theirs, "{{secrets/llm/k}}"),
        lambda: secret_store.put_secret(theirs, "llm", "k", "mine now"),
        lambda: secret_store.delete_scope(theirs, "llm"),
        lambda: list(secret_store.list_secrets(theirs, "llm")),
    ):
        with pytest.raises(ResourceDoesNotExist) as refusal:
            attempt()
        assert refusal.value.message == "Scope llm does not exist!"
    assert secret_store.read_secret(workspace, "llm", "k") == "v"


def test_what_is_wrong_is_said(workspace: Any) -> None:
    secret_store.create_scope(workspace, "llm")
    with pytest.raises(ResourceAlreadyExists, match="Scope llm already exists!"):
        secret_store.create_scope(workspace, "llm")
    with pytest.raises(InvalidParameterValue, match="is not a valid name"):
        secret_store.create_scope(workspace, "no/slash")
    with pytest.raises(ResourceDoesNotExist, match="scope: llm and key: nothing"):
        secret_store.delete_secret(workspace, "llm", "nothing")
    with pytest.raises(InvalidParameterValue, match="_plaintext twin"):
        secret_store.resolve(workspace, "sk-pasted-in-the-wrong-field")
    with pytest.raises(InvalidParameterValue, match="at most 131072 bytes"):
        secret_store.put_secret(workspace, "llm", "k", "x" * 131_073)
