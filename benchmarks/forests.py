"""The model both sides serve (a random forest of 100 trees over 20 numbers), a heavy one, and the rows they are asked about."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

TREES, FEATURES, ROWS = 100, 20, 500


def table(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """2,000 rows of 20 float columns `f0` … `f19`, and their classes."""
    values, classes = make_classification(2000, FEATURES, n_informative=12, flip_y=0.1, random_state=seed)
    return pd.DataFrame(values.astype("float32").astype("float64"), columns=[f"f{i}" for i in range(FEATURES)]), classes


def forest(seed: int) -> RandomForestClassifier:
    """A forest of its own for each seed; they disagree on some rows, which tells who answered."""
    features, classes = table()
    return RandomForestClassifier(TREES, max_depth=10, random_state=seed, n_jobs=1).fit(features, classes)


def neighbours() -> KNeighborsClassifier:
    """Compares each row with all 2,000 of the table: computing it costs many times what its request costs on the way."""
    return KNeighborsClassifier(5, algorithm="brute").fit(*table())


def write_requests(path: Path, versions: list[Any], rows_per_request: int = 1) -> None:
    """`rows_per_request` rows in each body, with what each version predicts for them; ROWS rows in all, or five requests.

    One row is a record; many are `dataframe_split`, which names the columns once, as peers do who name them never.
    """
    rows = table(seed=1)[0].head(max(ROWS, 5 * rows_per_request))
    values, names = rows.to_numpy().tolist(), list(rows.columns)
    predictions = [model.predict(rows).tolist() for model in versions]
    entries = []
    for start in range(0, len(values) - rows_per_request + 1, rows_per_request):
        end = start + rows_per_request
        answers = [each[start:end] for each in predictions]
        entries.append({"body": _body(names, values[start:end]), "predictions": answers})
    path.write_text(json.dumps(entries))


def _body(names: list[str], rows: list[list[float]]) -> dict[str, Any]:
    if len(rows) == 1:
        return {"dataframe_records": [dict(zip(names, rows[0], strict=True))]}
    return {"dataframe_split": {"columns": names, "data": rows}}
