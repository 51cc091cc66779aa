"""Environment variables of a served entity: secrets filled in, unreadable on their way, whole in the replica."""

from typing import Any

import pytest

from sandbox import key_file
from sandbox.errors import ResourceDoesNotExist
from sandbox.replicas.pyfunc_worker import Environment
from sandbox.serving.entity_environment import sealed
from sandbox.serving.models import Endpoint, EndpointConfig, EndpointKind, ServedEntity
from sandbox.workspaces import secret_store


@pytest.fixture
def entity(workspace: Any) -> ServedEntity:
    endpoint = Endpoint.objects.create(workspace=workspace, name="churn", kind=EndpointKind.CUSTOM, creator="ada")
    config = EndpointConfig.objects.create(endpoint=endpoint, config_version=1)
    variables = {"PLAIN": "in the open", "API_KEY": "{{secrets/llm/key}}"}
    return ServedEntity.objects.create(config=config, position=0, name="churn-1", environment_vars=variables)


def test_it_works(entity: ServedEntity, workspace: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_store.create_scope(workspace, "llm")
    secret_store.put_secret(workspace, "llm", "key", "sk-very-secret")
    ciphertext = sealed(entity)
    assert "sk-very-secret" not in ciphertext
    monkeypatch.setenv("SANDBOX_KEY_FILE", str(settings.SECRETS_DIR / key_file.NAME))
    environment = Environment.unseal(ciphertext)
    assert environment.variables == {"PLAIN": "in the open", "API_KEY": "sk-very-secret"}
    assert environment.secrets == ("sk-very-secret",)
    assert "sk-very-secret" not in repr(environment)


def test_without_variables_nothing_travels(entity: ServedEntity) -> None:
    entity.environment_vars = {}
    assert sealed(entity) == ""
    assert Environment.unseal("") == Environment({}, ())


def test_a_secret_that_is_gone_is_named(entity: ServedEntity) -> None:
    with pytest.raises(ResourceDoesNotExist, match=r"Scope llm does not exist!"):
        sealed(entity)


def test_with_other_keys_it_cannot_be_read(entity: ServedEntity, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entity.environment_vars = {"PLAIN": "in the open"}
    ciphertext = sealed(entity)
    monkeypatch.setenv("SANDBOX_KEY_FILE", str(tmp_path / "other_keys"))
    with pytest.raises(key_file.UnreadableError):
        Environment.unseal(ciphertext)
