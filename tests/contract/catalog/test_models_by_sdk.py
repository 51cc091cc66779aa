"""Registered models and versions through the SDK: as owner, as somebody of another workspace, with bad input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists
from databricks.sdk.service.catalog import ModelVersionInfoStatus

NAME = "main.default.churn"
MLMODEL = """\
flavors:
  sklearn: {sklearn_version: '1.5'}
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""


@pytest.fixture
def churn(w: Any, settings: Any, tmp_path: Path) -> Any:
    """Ada's model with two READY versions."""
    from sandbox.registry import store
    from sandbox.workspaces.models import Workspace

    settings.DATA_DIR = tmp_path
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "MLmodel").write_text(MLMODEL)
    created = w.registered_models.create(catalog_name="main", schema_name="default", name="Churn", comment="who leaves")
    workspace_id = Workspace.objects.get(owner__username="ada").id
    assert [store.register_directory(workspace_id, NAME, saved) for _ in range(2)] == ["1", "2"]
    return created


def test_a_model_lives_as_the_sdk_documents(w: Any, churn: Any) -> None:
    assert (churn.full_name, churn.comment, churn.owner) == (NAME, "who leaves", "ada@example.org")
    assert churn.created_at == churn.updated_at
    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        w.registered_models.create(catalog_name="main", schema_name="default", name="churn")
    assert [each.full_name for each in w.registered_models.list(catalog_name="main", schema_name="default")] == [NAME]
    assert [each.full_name for each in w.registered_models.list(max_results=1)] == [NAME]
    alias = w.registered_models.set_alias(NAME, "Champion", 2)
    assert (alias.alias_name, alias.version_num, alias.model_name) == ("Champion", 2, "churn")
    found = w.registered_models.get(NAME, include_aliases=True)
    assert [(each.alias_name, each.version_num) for each in found.aliases] == [("Champion", 2)]
    assert w.model_versions.get_by_alias(NAME, "champion").version == 2
    changed = w.registered_models.update(NAME, new_name="leavers", comment="renamed", owner="users")
    assert (changed.full_name, changed.comment, changed.owner) == ("main.default.leavers", "renamed", "users")
    w.registered_models.delete_alias("main.default.leavers", "CHAMPION")
    w.registered_models.delete("main.default.leavers")
    assert list(w.registered_models.list()) == []


def test_versions_are_listed_read_commented_and_deleted(w: Any, churn: Any) -> None:
    listed = list(w.model_versions.list(NAME, max_results=1))
    assert [(each.version, each.status) for each in listed] == [
        (2, ModelVersionInfoStatus.READY),
        (1, ModelVersionInfoStatus.READY),
    ]
    w.registered_models.set_alias(NAME, "old", 1)
    w.model_versions.update(NAME, 1, comment="the first")
    version = w.model_versions.get(NAME, 1, include_aliases=True)
    assert (version.comment, version.model_name, [each.alias_name for each in version.aliases]) == ("the first", "churn", ["old"])
    assert version.storage_location == "dbfs:/Models/main/default/churn/1"
    w.model_versions.delete(NAME, 1)
    for gone in (lambda: w.model_versions.get(NAME, 1), lambda: w.model_versions.get_by_alias(NAME, "old")):
        with pytest.raises(NotFound):
            gone()


def test_another_workspace_has_no_such_model(w: Any, churn: Any, client_of: Callable[..., Any]) -> None:
    eve = client_of("eve")
    calls = [eve.registered_models.get, eve.registered_models.delete, lambda name: list(eve.model_versions.list(name))]
    for call in calls:
        messages = []
        for name in (NAME, "main.default.never"):
            with pytest.raises(NotFound) as error:
                call(name)
            messages.append(str(error.value).replace(name, "?"))
        assert messages[0] == messages[1]
    assert list(eve.registered_models.list()) == []


def test_bad_input_is_refused_with_a_sentence(w: Any, churn: Any) -> None:
    for call in (
        lambda: w.registered_models.create(catalog_name="main", schema_name="default", name="a.b"),
        lambda: w.registered_models.create(catalog_name="main", schema_name="default", name="it's", storage_location="s3://x"),
        lambda: w.registered_models.create(catalog_name="main", schema_name="default", name="x" * 256),
        lambda: list(w.registered_models.list(catalog_name="main")),
        lambda: list(w.registered_models.list(max_results=-1)),
        lambda: w.registered_models.set_alias(NAME, "latest", 1),
        lambda: w.registered_models.set_alias(NAME, "a", 0),
        lambda: w.registered_models.update(NAME, owner="nobody@example.org"),
        lambda: w.model_versions.get(NAME, "one"),
    ):
        with pytest.raises(BadRequest):
            call()
    with pytest.raises(NotFound):
        w.registered_models.set_alias(NAME, "a", 3)
    with pytest.raises(NotFound):
        w.registered_models.create(catalog_name="main", schema_name="nowhere", name="x")
