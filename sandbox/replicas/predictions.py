"""The shape of `predictions` by what the model returns and what it was given (serving_semantics B2)."""

import json
from itertools import chain
from typing import Any

import orjson

from sandbox.builds.signature import Form


def shaped(rows: list[Any], form: Form, *, is_table: bool) -> Any:
    """JSON-ready predictions of one request from one value for each row.

    A logged ONNX model (`record`) answers a table with one object for each value, its outputs flattened side by side, and
    tensors with one object that holds every output whole, as `mlflow.onnx` does.
    """
    if form != "record" or not rows:
        return rows
    names = list(rows[0])
    columns = {name: [row[name] for row in rows] for name in names}
    if not is_table:
        return columns
    flat = [_flat(columns[name]) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*flat, strict=True)]


def _flat(values: list[Any]) -> list[Any]:
    while values and isinstance(values[0], list):
        values = list(chain.from_iterable(values))
    return values


def dumped(predictions: Any) -> str:
    """`{"predictions": …}` as JSON text; NaN and Infinity stand there bare, as Python writes them (measured, B2)."""
    text = orjson.dumps({"predictions": predictions}).decode()
    return json.dumps({"predictions": predictions}) if "null" in text else text
