"""What endpoints with features answer and log beside predictions: `outputs` of a feature spec, and the features of a request."""

import json
from typing import Any

import orjson

from sandbox.features.plan import LookupPlan
from sandbox.replicas.lookup_frames import Frame, sendable
from sandbox.replicas.requests import RequestAnswer

TRACE_FIELD = "databricks_output"
"""Where the augmented DataFrame stands in the logged response. Documented is only that it is saved to the inference table; that
it is a trace there follows from the MLflow version that it needs (assumed)."""
SPAN = "feature_lookup"


class FeatureOutputs:
    """Answers for the plan of a feature spec that is served without a model [docs: Feature Serving endpoints]."""

    def __init__(self, plan: LookupPlan) -> None:
        self._columns = plan.inputs

    def finish(self, frame: Frame) -> None:
        """`{"outputs": [{…}, …]}`: for each row the columns of the spec that are not excluded, in its order."""
        names, rows = _table(frame, self._columns)
        outputs = [dict(zip(names, row, strict=True)) for row in rows]
        frame.request.answer = RequestAnswer(200, _dumped({"outputs": outputs}))


def trace(frame: Frame, plan: LookupPlan) -> None:
    """Have what was sent, looked up and computed logged with the response: all columns of the plan."""
    sent = (name for name in plan.sent if name in frame.columns)
    names, rows = _table(frame, tuple(dict.fromkeys([*sent, *plan.found, *plan.inputs])))
    span = {"name": SPAN, "outputs": {"columns": names, "data": rows}}
    frame.request.logged_with = f'"{TRACE_FIELD}": {_dumped({"trace": {"data": {"spans": [span]}}})}'


def _table(frame: Frame, columns: tuple[str, ...]) -> tuple[list[str], list[list[Any]]]:
    """Those of the columns that there are, and the rows; NaN stays apart from null."""
    names = [name for name in columns if name in frame.columns]
    values = [sendable(frame.columns[name]) for name in names]
    return names, list(map(list, zip(*values, strict=True))) if names else [[] for _ in range(frame.rows)]


def _dumped(value: Any) -> str:
    """NaN and Infinity stand there bare, as in predictions (measured, serving_semantics B2)."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # lone surrogates: what a client sent need not be valid Unicode
        return json.dumps(value)
    return json.dumps(value) if "null" in text else text
