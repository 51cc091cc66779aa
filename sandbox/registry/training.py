"""Train and save the example models, in a process of its own: `python -m sandbox.registry.training DIRECTORY`.

The site never runs this: `manage.py build_models` does, when the examples change; the saved models lie in fixtures/models.
Every model is a scikit-learn pipeline saved in the skops format, so that no pickle is part of the repository.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from sandbox.registry.datasets import TABLES, Table

HOLD_OUT = 5
"""Every fifth row is kept from training and measures the model."""


@dataclass(frozen=True)
class Recipe:
    """One example model: the table it learns from and the steps after the encoding."""

    directory: str
    table: str
    steps: tuple[tuple[str, Any], ...]
    title: str


RECIPES = (
    Recipe(
        "churn_champion",
        "churn",
        (("classify", LogisticRegression(max_iter=2000)),),
        "Churn, champion: logistic regression",
    ),
    Recipe(
        "churn_challenger",
        "churn",
        (
            ("combine", PolynomialFeatures(degree=2, interaction_only=True, include_bias=False)),
            ("classify", LogisticRegression(max_iter=2000, C=0.05)),
        ),
        "Churn, challenger: logistic regression that also sees every pair of features",
    ),
    Recipe("fraud", "fraud", (("classify", LogisticRegression(max_iter=2000)),), "Fraud: logistic regression"),
)
"""No trees: their file would be large, and skops files that hold trees must be trusted by hand."""


def split(table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows and held-out rows."""
    frame = pd.DataFrame(table.rows)
    held_out = frame.index % HOLD_OUT == 0
    return frame[~held_out], frame[held_out]


def pipeline(frame: pd.DataFrame, steps: tuple[tuple[str, Any], ...]) -> Pipeline:
    """One-hot encoding for texts, scaling for numbers, then the recipe's steps."""
    texts = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    numbers = [column for column in frame if column not in texts]
    encode = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts), ("numbers", StandardScaler(), numbers)]
    )
    return Pipeline([("encode", encode), *steps])


def train(recipe: Recipe) -> tuple[Pipeline, Table, dict[str, float]]:
    """The fitted pipeline, its table and how it does on the held-out rows."""
    table = TABLES[recipe.table]()
    training, held_out = split(table)
    model = pipeline(training[table.features], recipe.steps).fit(training[table.features], training[table.label])
    positive = model.predict_proba(held_out[table.features])[:, 1]
    is_positive = held_out[table.label] == model.classes_[1]
    measured = {
        "accuracy": float(accuracy_score(held_out[table.label], model.predict(held_out[table.features]))),
        "roc_auc": float(roc_auc_score(is_positive, positive)),
    }
    return model, table, measured


def save(recipe: Recipe, directory: Path) -> dict[str, float]:
    """Write `DIRECTORY/<name>/model` (an MLflow model) and `card.md`."""
    model, table, measured = train(recipe)
    example = split(table)[0][table.features].head(3)
    mlflow.sklearn.save_model(
        model,
        str(directory / recipe.directory / "model"),
        serialization_format="skops",
        signature=mlflow.models.infer_signature(example, pd.Series(model.predict(example))),
        input_example=example,
        pip_requirements=[f"scikit-learn=={sklearn.__version__}", "skops"],
    )
    (directory / recipe.directory / "card.md").write_text(card(recipe, table, measured))
    return measured


def card(recipe: Recipe, table: Table, measured: dict[str, float]) -> str:
    scores = "\n".join(f"| {name}, held-out rows | {value:.4f} |" for name, value in measured.items())
    return (
        f"# {recipe.title}\n\n"
        f"A scikit-learn {sklearn.__version__} pipeline that predicts `{table.label}` of the table `{table.name}` "
        f"(generated, see sandbox/registry/datasets.py). Licence: that of this repository.\n\n"
        "| | |\n|---|---|\n"
        f"| inputs | {', '.join(f'`{feature}`' for feature in table.features)} |\n"
        f"| rows | {len(table.rows)}, every fifth held out |\n"
        f"{scores}\n\n"
        "Made by `manage.py build_models`. The people in the table do not exist: the model is for practice only.\n"
    )


def main(directory: Path) -> None:
    for recipe in RECIPES:
        measured = save(recipe, directory)
        print(f"{recipe.directory}: " + ", ".join(f"{name} {value:.4f}" for name, value in measured.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
