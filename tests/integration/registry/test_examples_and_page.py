"""The example models, installed in a workspace, and the page that shows a registry."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from sandbox.models import User
from sandbox.registry import store
from sandbox.registry.example_models import EXAMPLES, install_models, model_directory
from sandbox.workspaces.operations import open_workspace


@pytest.fixture(autouse=True)
def folder(settings: LazySettings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def test_the_examples_are_installed_once(learner: User, tmp_path: Path) -> None:
    workspace_id = open_workspace(learner).id
    installed = install_models(workspace_id)
    assert installed == [("main.default.churn", "1"), ("main.default.churn", "2"), ("main.default.fraud", "1")]
    assert install_models(workspace_id) == []
    assert store.resolve_alias(workspace_id, "main.default.churn", "Champion") == "1"
    assert store.resolve_alias(workspace_id, "main.default.churn", "challenger") == "2"
    for example in EXAMPLES:
        number = store.resolve_alias(workspace_id, example.name, example.alias)
        target = tmp_path / example.directory
        target.mkdir()
        store.fetch_artifacts(workspace_id, store.get_version(workspace_id, example.name, number), target)
        original = model_directory(example)
        assert {p.name for p in target.iterdir()} == {p.name for p in original.iterdir()}
        assert (target / "model.skops").read_bytes() == (original / "model.skops").read_bytes()


@pytest.mark.django_db
def test_an_empty_registry_says_how_to_fill_it(client: Client, learner: User, settings: LazySettings) -> None:
    client.force_login(learner)
    page = client.get(reverse("model_list")).content.decode()
    assert "No models yet" in page
    assert f"export MLFLOW_TRACKING_URI={settings.SITE_URL}" in page
    assert reverse("install_examples") in page


@pytest.mark.django_db
def test_the_pages_list_versions_with_a_way_to_serve_them(client: Client, learner: User) -> None:
    install_models(open_workspace(learner).id)
    client.force_login(learner)
    page = client.get(reverse("model_list")).content.decode()
    assert "/sandbox/models/main.default.churn/" in page
    assert "champion → 1" in page
    assert "challenger → 2" in page
    assert "Add the example models" not in page
    model = client.get("/sandbox/models/main.default.churn/").content.decode()
    assert "sklearn 1." in model
    assert f"{reverse('endpoint_create')}?model=main.default.churn%402" in model
    version = client.get("/sandbox/models/main.default.churn/versions/2/").content.decode()
    assert "Inputs: 12" in version
    assert "dataframe_split" in version


@pytest.mark.django_db
def test_the_examples_can_be_added_to_own_models(client: Client, learner: User) -> None:
    store.register_directory(open_workspace(learner).id, "own", model_directory(EXAMPLES[0]))
    client.force_login(learner)
    page = client.get(reverse("model_list")).content.decode()
    assert "No models yet" not in page
    assert "Add the example models" in page


@pytest.mark.django_db
def test_a_stranger_sees_none_of_it(client: Client, learner: User, stranger: User) -> None:
    install_models(open_workspace(learner).id)
    assert client.get(reverse("model_list")).status_code == 302
    client.force_login(stranger)
    assert "main.default.churn" not in client.get(reverse("model_list")).content.decode()
