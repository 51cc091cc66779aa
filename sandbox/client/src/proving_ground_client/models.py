"""Models with the spec of their features: logged as the flavour that they are, scored with features looked up offline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
from mlflow.models import Model, ModelSignature, infer_signature

from proving_ground_client.computing import computed
from proving_ground_client.frames import Frame, arrow_of
from proving_ground_client.site import Site
from proving_ground_client.spec import FILE_NAME, Spec
from proving_ground_client.training_set import TrainingSet

METADATA_KEY = "feature_spec"
"""In the metadata of MLmodel: the name of the file beside it."""
_SIGNATURE_ROWS = 1_000
_RESULT_TYPES = {
    "double": pa.float64(),
    "float": pa.float32(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "bigint": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
}


class _WithSpec:
    """A flavour that saves a model as the real one does, and the spec beside it."""

    def __init__(self, flavor: Any, model: Any, spec: Spec | None) -> None:
        self._flavor, self._model, self._spec = flavor, model, spec
        self.__name__ = flavor.__name__

    def save_model(self, path: str, mlflow_model: Any, **options: Any) -> None:
        self._flavor.save_model(self._model, path=path, mlflow_model=mlflow_model, **options)
        if self._spec is not None:
            (Path(path) / FILE_NAME).write_text(self._spec.to_json())


def log_model(
    model: Any,
    artifact_path: str | None,
    flavor: Any,
    training_set: TrainingSet | None,
    registered_model_name: str | None,
    *,
    await_registration_for: int = 300,
    infer_input_example: bool = False,
    **options: Any,
) -> Any:
    """MLflow's ModelInfo. `options` go to the flavour; `output_schema` and `signature` are used for the signature."""
    output_schema = options.pop("output_schema", None)
    if training_set is not None and options.get("signature") is None:
        options["signature"] = _signature(training_set, output_schema)
    if infer_input_example and training_set is not None and options.get("input_example") is None:
        options["input_example"] = _inputs(training_set).head(5)
    if not {"pip_requirements", "extra_pip_requirements"} & options.keys() and _is_plain_sklearn(flavor, model):
        options["pip_requirements"] = flavor.get_default_pip_requirements(include_cloudpickle=True)
    metadata = {**(options.pop("metadata", None) or {}), **({METADATA_KEY: FILE_NAME} if training_set else {})}
    name = options.pop("name", None) or artifact_path
    return Model.log(
        artifact_path=None,
        name=name,
        flavor=_WithSpec(flavor, model, training_set.spec if training_set else None),
        registered_model_name=registered_model_name,
        await_registration_for=await_registration_for,
        metadata=metadata or None,
        **options,
    )


def _is_plain_sklearn(flavor: Any, model: Any) -> bool:
    """Its requirements are known; MLflow would start a process and load the model to find the same, which takes ten seconds."""
    if flavor.__name__ != "mlflow.sklearn" or not hasattr(model, "get_params"):
        return False
    parts = [model, *(value for value in model.get_params().values() if hasattr(value, "get_params") or callable(value))]
    return len(parts) == 1 and type(model).__module__.startswith("sklearn.")


def _inputs(training_set: TrainingSet) -> pd.DataFrame:
    return training_set.load_df().select(training_set.spec.inputs).limit(_SIGNATURE_ROWS).toPandas()


def _signature(training_set: TrainingSet, output_schema: Any) -> ModelSignature:
    """Of what the model takes, features included; of the label unless the output is described."""
    found = infer_signature(_inputs(training_set))
    label = training_set.spec.label
    if output_schema is None and label:
        rows = training_set.load_df().select(label).limit(_SIGNATURE_ROWS).toPandas()
        output_schema = infer_signature(found.inputs and rows, rows).outputs
    return ModelSignature(inputs=found.inputs, outputs=output_schema)


def score_batch(
    site: Site, model_uri: str, df: Any, result_type: str, *, env_manager: str = "local", params: Mapping[str, Any] | None = None
) -> Frame:
    """The rows of `df` with the features that were found and a column `prediction`.

    Columns of `df` that have the name of a feature are taken instead of looked up.

    Raises:
        ValueError: the model was not logged with a training set, a column is missing, result_type is unknown.
    """
    if env_manager != "local":
        raise ValueError(f"env_manager '{env_manager}' is not offered here; models are loaded into this environment ('local').")
    kind = _RESULT_TYPES.get(result_type.lower())
    if kind is None:
        raise ValueError(f"result_type '{result_type}' is not one of {', '.join(_RESULT_TYPES)}.")
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))
    spec = _spec_of(folder, model_uri)
    data = arrow_of(df)
    if missing := [name for name in spec.needed if name not in data.column_names]:
        raise ValueError(f"The DataFrame must have the columns {', '.join(spec.needed)}; missing: {', '.join(missing)}.")
    rows = computed(site, spec, data)
    inputs = Frame(rows.select(spec.inputs)).toPandas()
    predictor = mlflow.pyfunc.load_model(str(folder))
    values = predictor.predict(inputs, params=dict(params)) if params else predictor.predict(inputs)
    return Frame(rows.append_column("prediction", _column(values).cast(kind)), site)


def _column(values: Any) -> pa.Array:
    if isinstance(values, pd.DataFrame):
        values = values.iloc[:, 0]
    found = pa.array(values)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _spec_of(folder: Path, model_uri: str) -> Spec:
    try:
        return Spec.from_json((folder / FILE_NAME).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        raise ValueError(
            f"The model {model_uri} was not logged with FeatureEngineeringClient.log_model and a training set, so it has no "
            "features to look up. Use mlflow.pyfunc.load_model(…).predict(…)."
        ) from None
