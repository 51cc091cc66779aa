"""The committed models hold what their cards say."""

import re
from pathlib import Path

import mlflow
import pytest
from django.conf import settings
from sklearn.metrics import accuracy_score

from sandbox.registry.datasets import TABLES
from sandbox.registry.example_models import EXAMPLES, Example, model_directory
from sandbox.registry.mlflow_store import CLIENT_VERSION
from sandbox.registry.mlmodel import describe_mlmodel
from sandbox.registry.training import RECIPES, split


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.directory)
def test_the_model_is_as_good_as_its_card_says(example: Example) -> None:
    import skops.io  # it loads all of scikit-learn: not while tests are collected, in each process

    recipe = next(r for r in RECIPES if r.directory == example.directory)
    table = TABLES[recipe.table]()
    _, held_out = split(table)
    model = skops.io.load(model_directory(example) / "model.skops")
    accuracy = accuracy_score(held_out[table.label], model.predict(held_out[table.features]))
    card = (Path(settings.FIXTURES_DIR) / "models" / example.directory / "card.md").read_text()
    said = re.search(r"accuracy, held-out rows \| ([\d.]+)", card)
    assert said
    assert accuracy == pytest.approx(float(said[1]), abs=1e-4)
    assert accuracy > max(held_out[table.label].value_counts(normalize=True))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.directory)
def test_the_signature_names_the_table_s_features(example: Example) -> None:
    recipe = next(r for r in RECIPES if r.directory == example.directory)
    description = describe_mlmodel((model_directory(example) / "MLmodel").read_bytes())
    assert description.flavor == "sklearn"
    assert [column["name"] for column in description.inputs] == TABLES[recipe.table]().features
    assert len(description.outputs) == 1


def test_learners_are_told_to_install_the_server_s_version() -> None:
    assert mlflow.__version__ == CLIENT_VERSION
