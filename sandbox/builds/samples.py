"""Rows to compare a model and its ONNX form on: the logged input example, and rows like those the model was fitted on.

What the fitted model tells about its columns is used: the means of scalers and imputers, the categories of encoders, the
thresholds of trees. Runs in the jail.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sandbox.builds.signature import InputField

SYNTHETIC_ROWS = 400
_SEED = 20_261_122
UNSEEN = "a value never seen"


@dataclass
class ColumnHints:
    """What is known of one column."""

    categories: list[Any] = field(default_factory=list)
    low: float = np.inf
    high: float = -np.inf

    def span(self, low: float, high: float) -> None:
        if np.isfinite(low) and np.isfinite(high):
            self.low, self.high = min(self.low, low), max(self.high, high)


def example_rows(content: bytes | None, inputs: Sequence[InputField]) -> pd.DataFrame | None:
    """The logged input example as columns 0, 1, … in the signature's order; None when there is none that fits."""
    if not content:
        return None
    try:
        raw = json.loads(content)
        if isinstance(raw, dict) and "data" in raw:
            frame = pd.DataFrame(raw["data"], columns=raw.get("columns"))
        else:
            frame = pd.DataFrame(raw.get("inputs", raw) if isinstance(raw, dict) else raw)
        names = [each.name for each in inputs]
        if all(name in frame.columns for name in names):
            frame = frame[names]
        if frame.shape[1] != len(inputs) or not len(frame):
            return None
        return frame.set_axis(range(len(inputs)), axis=1)
    except (ValueError, TypeError, AttributeError):
        return None


def synthetic_rows(model: Any, inputs: Sequence[InputField], example: pd.DataFrame | None) -> pd.DataFrame:
    """`SYNTHETIC_ROWS` rows, columns 0, 1, … in the signature's order, always the same for the same model."""
    draw = np.random.default_rng(_SEED)
    hints = {position: ColumnHints() for position in range(len(inputs))}
    for position, hint in column_hints(model, [each.name for each in inputs]):
        known = hints[position]
        known.categories += [value for value in hint.categories if value not in known.categories]
        known.span(hint.low, hint.high)
    columns = {
        position: _column(draw, each, hints[position], None if example is None else example[position])
        for position, each in enumerate(inputs)
    }
    return pd.DataFrame(columns)


def with_gaps(frame: pd.DataFrame, inputs: Sequence[InputField]) -> pd.DataFrame | None:
    """The first rows with a missing value in each; None when no column may miss one."""
    gappy = [position for position, each in enumerate(inputs) if each.type in {"double", "float", "string"}]
    if not gappy:
        return None
    rows = frame.head(max(20, 2 * len(gappy))).copy()
    for index in range(len(rows)):
        position = gappy[index % len(gappy)]
        if inputs[position].type == "string":
            rows[position] = rows[position].astype(object)
            rows.iloc[index, position] = np.nan  # what pandas makes of a JSON null in a column of texts
        else:
            rows.iloc[index, position] = np.nan
    return rows


def column_hints(model: Any, names: Sequence[str]) -> Iterator[tuple[int, ColumnHints]]:
    """What the fitted model knows of its columns, as (position, hints); a column may come more than once."""
    return _hints(model, list(enumerate(names)))


def _column(draw: np.random.Generator, each: InputField, hint: ColumnHints, example: Any) -> Any:
    """Values of one column, of its MLflow type."""
    seen = [] if example is None else [value for value in example.tolist() if value is not None]
    if each.type == "string":
        known = [str(value) for value in (hint.categories or dict.fromkeys(seen) or ["a", "b", ""]) if value is not None]
        return draw.choice(np.array([*known, UNSEEN] if hint.categories else known, dtype=object), SYNTHETIC_ROWS)
    if each.type == "datetime":
        return pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 5_000, SYNTHETIC_ROWS), "h").as_unit("ns")
    if each.type == "boolean":
        return draw.integers(0, 2, SYNTHETIC_ROWS).astype(bool)
    numbers = [float(value) for value in hint.categories if isinstance(value, int | float | np.number)]
    if numbers:
        values = draw.choice(np.array(numbers), SYNTHETIC_ROWS)
    else:
        values = _spread(draw, hint, [float(value) for value in seen if isinstance(value, int | float)])
    if each.type in {"integer", "long"}:
        return np.nan_to_num(values).round().astype(np.int64)
    return values.astype(np.float32 if each.type == "float" else np.float64)


def _spread(draw: np.random.Generator, hint: ColumnHints, seen: list[float]) -> Any:
    """Numbers over the known range and a little beyond; half of them with two decimals, as people's data have."""
    finite = [value for value in seen if np.isfinite(value)]
    if finite:
        center, width = float(np.mean(finite)), float(np.std(finite)) or abs(float(np.mean(finite))) or 1.0
        hint.span(center - 2 * width, center + 2 * width)
    if hint.low > hint.high:
        hint.span(-3.0, 3.0)
    margin = 0.1 * (hint.high - hint.low) or 1.0
    values = draw.uniform(hint.low - margin, hint.high + margin, SYNTHETIC_ROWS)
    values[::2] = values[::2].round(2)
    return values


def _hints(model: Any, columns: list[tuple[int, str]]) -> Iterator[tuple[int, ColumnHints]]:
    """What the model knows of its input columns, given as (position, name)."""
    model = getattr(model, "best_estimator_", model)
    if hasattr(model, "steps"):
        yield from _hints_of_steps([step for _, step in model.steps], columns)
    elif hasattr(model, "transformer_list"):
        for _, member in model.transformer_list:
            yield from _hints(member, columns)
    elif hasattr(model, "transformers_"):
        for _, member, chosen in model.transformers_:
            yield from _hints(member, _chosen(columns, chosen))
    elif hasattr(model, "categories_"):
        for (position, _), categories in zip(columns, model.categories_, strict=False):
            yield position, ColumnHints(categories=[value for value in categories.tolist() if value == value])
    else:
        for index, (position, _) in enumerate(columns):
            if (hint := _numeric_hint(model, index)) is not None:
                yield position, hint


def _hints_of_steps(steps: list[Any], columns: list[tuple[int, str]]) -> Iterator[tuple[int, ColumnHints]]:
    """Of the first step; of the next too when the first leaves the columns as they are, as an imputer does."""
    for step in steps:
        if isinstance(step, str) or step is None:
            continue
        yield from _hints(step, columns)
        if not hasattr(step, "statistics_"):
            return


def _chosen(columns: list[tuple[int, str]], chosen: Any) -> list[tuple[int, str]]:
    """The columns that a ColumnTransformer hands to one of its members."""
    if isinstance(chosen, slice):
        return columns[chosen] if isinstance(chosen.start, int | None) else []
    wanted = [chosen] if isinstance(chosen, str | int) else list(chosen)
    if wanted and isinstance(wanted[0], bool | np.bool_):
        return [column for column, is_wanted in zip(columns, wanted, strict=False) if is_wanted]
    by_name = {name: (position, name) for position, name in columns}
    return [
        columns[int(key)] if isinstance(key, int | np.integer) else by_name[key]
        for key in wanted
        if (isinstance(key, int | np.integer) and 0 <= int(key) < len(columns)) or key in by_name
    ]


def _numeric_hint(model: Any, index: int) -> ColumnHints | None:
    """The range of one input column of a scaler, an imputer or a model made of trees."""
    hint = ColumnHints()
    for center_name in ("mean_", "center_", "statistics_"):
        centers = getattr(model, center_name, None)
        if isinstance(centers, np.ndarray) and centers.dtype.kind == "f" and index < centers.size:
            scales = getattr(model, "scale_", None)
            width = float(scales[index]) if isinstance(scales, np.ndarray) else abs(float(centers[index])) or 1.0
            hint.span(float(centers[index]) - 3 * width, float(centers[index]) + 3 * width)
    for low_name, high_name in (("data_min_", "data_max_"),):
        if hasattr(model, low_name):
            hint.span(float(getattr(model, low_name)[index]), float(getattr(model, high_name)[index]))
    thresholds = _thresholds(model, index)
    if thresholds.size:
        hint.span(float(thresholds.min()), float(thresholds.max()))
    return hint if hint.low <= hint.high else None


def _thresholds(model: Any, index: int) -> Any:
    """Where the model's trees split on the column."""
    if hasattr(model, "_predictors"):
        nodes = [each.nodes for step in model._predictors for each in step]
        found = [n["num_threshold"][(n["feature_idx"] == index) & (n["is_leaf"] == 0)] for n in nodes]
    else:
        members = np.ravel(np.array(getattr(model, "estimators_", [model]), dtype=object))
        trees = [each.tree_ for each in members if hasattr(each, "tree_")]
        found = [tree.threshold[tree.feature == index] for tree in trees]
    values = np.concatenate(found) if found else np.empty(0)
    return values[np.isfinite(values)]
