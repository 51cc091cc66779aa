"""One request answered as MLflow's scoring server answers it: read, enforce, predict, write. Runs in the jailed runner."""

import json
from io import StringIO
from typing import Any, Protocol

import numpy as np
import pandas as pd

from sandbox.builds.signature import Signature
from sandbox.replicas.predictions import shaped
from sandbox.replicas.scoring.arrays import model_arrays
from sandbox.replicas.scoring.bodies import Body, read_body
from sandbox.replicas.scoring.enforcement import enforced
from sandbox.replicas.scoring.errors import ScoringError, UnsupportedMediaType, model_raised
from sandbox.replicas.scoring.params import check_params
from sandbox.replicas.scoring.schema import Schema


class Model(Protocol):
    """What answers: see `sandbox.replicas.runtimes.onnx.OnnxRuntime`."""

    signature: Signature

    def predict(self, arrays: list[Any]) -> list[Any]:
        """One value for each row."""


def answer(model: Model, content: bytes, content_type: str) -> tuple[int, str]:
    """Status and JSON text."""
    signature = model.signature
    names = frozenset(each.name for each in signature.params or ())
    schema = Schema.of(signature)
    try:
        body = read_body(content, content_type, schema, names)
        data = _fit_for_the_model(body, schema, signature)
        rows = _predicted(model, data)
    except (ScoringError, UnsupportedMediaType) as error:
        return error.status, error.body()
    predictions = shaped(rows, signature.output.form, is_table=isinstance(data, pd.DataFrame))
    return 200, json.dumps(predictions if body.is_bare else {"predictions": predictions})


def _fit_for_the_model(body: Body, schema: Schema | None, signature: Signature) -> Any:
    try:
        data = enforced(body.data, schema)
        check_params(body.params, signature.params)
    except ScoringError as error:
        error.message = f"Failed to predict data '{body.data}'. \nError: {error.message}"
        raise
    return data


def _predicted(model: Model, data: Any) -> list[Any]:
    arrays = model_arrays(data, model.signature)
    try:
        return model.predict(arrays)
    except Exception as error:
        raise model_raised(f"{type(error).__name__}: {error}"[:4000]) from None


def warm_up() -> None:
    """Let pandas load what it loads late, before the jail is entered: nothing can be read from the disk then."""
    table = pd.DataFrame([{"a": "x", "b": "1.5", "c": None}, {"a": None, "b": "2", "c": 1}])
    table["b"].astype("float64")
    table["d"] = pd.to_datetime(pd.Series(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]))
    str(table)
    table["d"].dt.as_unit("ns").dt.tz_localize(None).astype("datetime64[ns]")
    pd.to_datetime(pd.Series(["Jan 2, 2026", "2026-01-02"]), format="mixed")
    pd.read_csv(StringIO("a,b\n1,x\n"), dtype={"a": "int64"})
    np.vstack([[1.0], [2.0]])
    from pyarrow import parquet

    _ = parquet
