"""How to use a registered model or one of its versions: load it in a notebook, ask an endpoint that serves it, move an alias."""

from typing import Any

from sandbox.catalog.models import Securable
from sandbox.console.catalog import code
from sandbox.console.samples import TOKEN_PLACE, Sample, query_samples
from sandbox.console.sdk_code import rest

Json = dict[str, Any]


def use(site_url: str, model: Securable, reference: str, example: Json, endpoint: str) -> list[Sample]:
    """Load it with MLflow; ask `endpoint` (empty: nothing serves it) from SQL and curl.

    `reference` is `@champion` or `/3`. `example` is a request body; empty for a model that takes tensors and has no example.
    """
    samples = [Sample("Notebook", _load(site_url, model, reference, example))]
    if endpoint:
        asked = {each.label: each for each in query_samples(site_url, endpoint, "", example or {"dataframe_records": [{}]})}
        samples += [asked[label] for label in ("SQL", "Python", "curl")]
    else:
        samples.append(Sample("curl", _describe(site_url, model, reference)))
    return samples


def _load(site_url: str, model: Securable, reference: str, example: Json) -> str:
    registry = "databricks-uc" if model.parent_id else "databricks"
    return _LOAD.format(
        host=site_url,
        token=TOKEN_PLACE,
        registry=registry,
        uri=f"models:/{model.full_name}{reference}",
        rows=_frame(example),
    )


def _frame(example: Json) -> str:
    """The example as Python: a frame, or the array that `inputs` or `instances` holds."""
    split = example.get("dataframe_split")
    if isinstance(split, dict) and "columns" in split and "data" in split:
        return f"pd.DataFrame({split['data'][:2]!r}, columns={split['columns']!r})"
    records = example.get("dataframe_records")
    if isinstance(records, list):
        return f"pd.DataFrame({records[:2]!r})"
    tensor = example.get("inputs", example.get("instances"))
    return repr(tensor) if tensor is not None else "data"


def _describe(site_url: str, model: Securable, reference: str) -> str:
    if not model.parent_id:
        return rest(site_url, "GET", f"/api/2.0/mlflow/registered-models/get?name={model.full_name}")
    part = f"/aliases/{reference[1:]}" if reference.startswith("@") else f"/versions/{reference[1:]}"
    return rest(site_url, "GET", f"{code.UC}/models/{model.full_name}{part}")


_LOAD = """\
# pip install mlflow databricks-sdk pandas
import os
os.environ["DATABRICKS_HOST"] = "{host}"
os.environ["DATABRICKS_TOKEN"] = "{token}"

import mlflow
import pandas as pd

mlflow.set_registry_uri("{registry}")
model = mlflow.pyfunc.load_model("{uri}")
print(model.predict({rows}))"""


def alias(site_url: str, model: Securable, name: str, number: int) -> list[Sample]:
    """Point an alias at a version, and remove it."""
    full = model.full_name
    mlflow = (
        "from mlflow import MlflowClient\n\nclient = MlflowClient()\n"
        f"client.set_registered_model_alias({full!r}, {name!r}, {number})\n"
        f"client.delete_registered_model_alias({full!r}, {name!r})"
    )
    if not model.parent_id:
        return [Sample("MLflow", mlflow)]
    path = f"{code.UC}/models/{full}/aliases/{name}"
    return [
        Sample("MLflow", mlflow),
        Sample("Python", code.python(site_url, f"w.registered_models.set_alias({full!r}, {name!r}, {number})")),
        Sample("curl", rest(site_url, "PUT", path, {"version_num": number})),
    ]


def delete_version(site_url: str, model: Securable, number: int) -> list[Sample]:
    full = model.full_name
    mlflow = f'from mlflow import MlflowClient\n\nMlflowClient().delete_model_version({full!r}, "{number}")'
    if not model.parent_id:
        return [Sample("MLflow", mlflow)]
    return [
        Sample("MLflow", mlflow),
        Sample("Python", code.python(site_url, f"w.model_versions.delete({full!r}, {number})")),
        Sample("curl", rest(site_url, "DELETE", f"{code.UC}/models/{full}/versions/{number}")),
    ]
