"""From a request's body to a table or tensors, cast as far as MLflow's scoring server casts while it reads.

The order of the steps, the casts and the sentences are those of MLflow 3.17.2 (`mlflow/pyfunc/scoring_server`,
`mlflow/utils/proto_json_utils.py`); a test compares both on the same bodies.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any

import numpy as np
import pandas as pd

from sandbox.replicas.requests import INPUT_KEYS, ONE_KEY
from sandbox.replicas.scoring.errors import ScoringError, UnsupportedMediaType, bad_request
from sandbox.replicas.scoring.schema import Field, Schema

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
_CHAT_KEYS = ("messages", "prompt", "input")
_PROTOCOL = (
    "IMPORTANT: The MLflow Model scoring protocol has changed in MLflow version 2.0. If you are seeing this error, you are "
    "likely using an outdated scoring request format. To resolve the error, either update your request format or adjust your "
    "MLflow Model's requirements file to specify an older version of MLflow (for example, change the 'mlflow' requirement "
    "specifier to 'mlflow==1.30.0'). If you are making a request using the MLflow client (e.g. via "
    "`mlflow.pyfunc.spark_udf()`), upgrade your MLflow client to a version >= 2.0 in order to use the new request format. For "
    "more information about the updated MLflow Model scoring protocol in MLflow 2.0, see "
    "https://mlflow.org/docs/latest/models.html#deploy-mlflow-models."
)


@dataclass
class Body:
    """What was read. `data`: a DataFrame, an array, a dictionary of arrays or values, or a plain value."""

    data: Any
    params: Any = None
    is_bare: bool = False
    """A body in the form of chats and completions: the predictions are answered without their key."""


def read_body(content: bytes, content_type: str, schema: Schema | None, params: frozenset[str] = frozenset()) -> Body:
    """Raises ScoringError, and UnsupportedMediaType for anything but JSON, CSV and Parquet."""
    kind = _media_type(content_type)
    if kind == CSV:
        return Body(_from_csv(content, schema))
    if kind == PARQUET:
        return Body(_from_parquet(content))
    payload = _load_json(content)
    for name in ("client_request_id", "usage_context"):  # the provider's own fields
        payload.pop(name, None)
    if any(key in payload for key in _CHAT_KEYS):
        chosen = {key: value for key, value in payload.items() if key in params}
        return Body({key: value for key, value in payload.items() if key not in params}, chosen, is_bare=True)
    return Body(_from_json(payload, schema), payload.get("params"))


def _media_type(content_type: str) -> str:
    kind, *parameters = [part.strip() for part in content_type.split(";")]
    given = dict(part.partition("=")[::2] for part in parameters)
    if given.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType("The scoring server only supports UTF-8")
    if unknown := set(given) - {"charset"}:
        raise UnsupportedMediaType(f"Unrecognized content type parameters: {', '.join(unknown)}. {_PROTOCOL}")
    if kind not in {JSON, CSV, PARQUET}:
        raise UnsupportedMediaType(
            f"This predictor only supports the following content types: Types: {[CSV, JSON, PARQUET]}. Got '{content_type}'."
        )
    return kind


def _load_json(content: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(content)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise bad_request(
            f"Ensure that input is a valid JSON formatted string. Error: '{error!r}'\nInput: \n{content!r}\n"
        ) from None
    except RecursionError:
        raise bad_request("Ensure that input is a valid JSON formatted string. Error: it is nested too deeply") from None
    if isinstance(payload, dict):
        return payload
    if isinstance(payload, list):
        raise bad_request(f"{ONE_KEY}. Received a list.")
    raise bad_request(f"{ONE_KEY}. Received unexpected input type '{type(payload)}.")


def _from_json(payload: dict[str, Any], schema: Schema | None) -> Any:
    data = {key: value for key, value in payload.items() if key in INPUT_KEYS}
    if len(data) != 1:
        received = f"Received dictionary with input fields: {list(data)}"
        raise ScoringError("BAD_REQUEST", f"{ONE_KEY}. {received}. {_PROTOCOL}")
    form, value = next(iter(data.items()))
    if form == "dataframe_records":
        return _cast(_from_records(value), schema)
    if form == "dataframe_split":
        return _cast(_from_split(value), schema)
    try:
        return _from_instances(value, schema) if form == "instances" else _from_inputs(value, schema)
    except ScoringError:
        raise
    except Exception as error:
        raise bad_request(f"Ensure that the input is a valid JSON-formatted string.\nError: {error!r}") from None


# --- tables ------------------------------------------------------------------------------------


def _from_records(records: Any) -> pd.DataFrame:
    if not isinstance(records, list):
        kind = "dictionary" if isinstance(records, dict) else f"type {type(records)}"
        raise bad_request(f"Dataframe records format must be a list of records. Got {kind}.")
    try:
        return pd.DataFrame(data=records)
    except Exception as error:
        raise bad_request(
            f"Provided dataframe_records field is not a valid dataframe representation in 'records' format. Error: '{error}'"
        ) from None


def _from_split(split: Any) -> pd.DataFrame:
    if not isinstance(split, dict):
        kind = "list" if isinstance(split, list) else f"type {type(split)}"
        raise bad_request(f"Dataframe split format must be a dictionary. Got {kind}.")
    keys = set(split)
    if "data" not in keys or keys - {"columns", "data", "index"}:
        raise bad_request(
            f"Dataframe split format must have 'data' field and optionally 'columns' and 'index' fields. Got {keys}.'"
        )
    try:
        return pd.DataFrame(index=split.get("index"), columns=split.get("columns"), data=split["data"])
    except Exception as error:
        raise bad_request(
            f"Provided dataframe_split field is not a valid dataframe representation in 'split' format. Error: '{error}'"
        ) from None


def _cast(table: pd.DataFrame, schema: Schema | None) -> pd.DataFrame:
    """Columns that the signature knows, in its types."""
    if schema is None:
        return table
    given = set(table.columns)
    if schema.is_named:
        wanted = [(each.name, each) for each in schema.fields]
    else:
        wanted = [(name, schema.fields[0]) for name in dict.fromkeys(table.columns)]
    for name, each in wanted:
        if name not in given:
            continue
        kind = each.pandas
        try:
            if schema.is_tensor and isinstance(table[name].iloc[0], list):
                continue  # enforcement stacks them
            if each.type == "datetime":
                table[name] = _as_times(table[name])
            elif not (kind is object or kind.kind == "U") or not isinstance(table[name].dtype, pd.StringDtype):
                table[name] = table[name].astype(kind)
        except Exception as error:
            raise bad_request(
                f"Data is not compatible with model signature. Failed to convert column {name} to type '{kind}'. "
                f"Error: '{error!r}'"
            ) from None
    return table


def _as_times(column: Any) -> Any:
    parsed = pd.to_datetime(column)
    if pd.api.types.is_datetime64_any_dtype(parsed) and parsed.dt.unit != "ns":
        parsed = parsed.dt.as_unit("ns")
    return parsed


def _from_csv(content: bytes, schema: Schema | None) -> pd.DataFrame:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise bad_request(f"Ensure that input is a valid UTF-8 encoded string. Error: '{error!r}'") from None
    try:
        if schema is None:
            return pd.read_csv(StringIO(text))
        if schema.is_tensor:
            raise ValueError("TensorSpec only supports numpy types, use numpy_types() instead")
        return pd.read_csv(StringIO(text), dtype={name: each.pandas for name, each in schema.by_name.items()})
    except Exception as error:
        raise _unreadable_table("CSV-formatted", "to_csv", error) from None


def _from_parquet(content: bytes) -> pd.DataFrame:
    from pyarrow import parquet

    try:
        # as pandas.read_parquet, but without threads: the jail allows none
        file = parquet.ParquetFile(BytesIO(content), pre_buffer=False)
    except Exception as error:
        raise _unreadable_table("Parquet", "to_parquet", f"Could not open Parquet input source '<Buffer>': {error}") from None
    try:
        return file.read(use_threads=False, use_pandas_metadata=True).to_pandas(use_threads=False)
    except Exception as error:
        raise _unreadable_table("Parquet", "to_parquet", error) from None


def _unreadable_table(form: str, method: str, error: Exception | str) -> ScoringError:
    return ScoringError(
        "BAD_REQUEST",
        f"Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid {form} Pandas DataFrame produced using "
        f"the `pandas.DataFrame.{method}()` method. Error: '{error}'",
        trace=f"{error}",
    )


# --- tensors -----------------------------------------------------------------------------------


def _from_instances(data: Any, schema: Schema | None) -> Any:
    """`instances`: rows, or one dictionary for each row."""
    if isinstance(data, list) and data and isinstance(data[0], dict):
        fields = schema.by_name if schema else {}
        columns: dict[str, list[Any]] = defaultdict(list)
        for row in data:
            for name, value in row.items():
                columns[name].append(_converted(value, fields.get(name), schema))
        found: Any = {name: np.array(values) for name, values in columns.items()}
    else:
        found = _from_inputs(data, schema)
    if isinstance(found, dict):
        _check_lengths(found, schema)
    return found


def _check_lengths(columns: dict[str, Any], schema: Schema | None) -> None:
    listed = {name: value for name, value in columns.items() if isinstance(value, list | np.ndarray)}
    names = list(set(schema.names(required=True)) & set(listed)) if schema and schema.is_named else list(listed)
    if names and not all(len(listed[name]) == len(listed[names[0]]) for name in names[1:]):
        raise bad_request("The length of values for each input/column name are not the same")


def _from_inputs(data: Any, schema: Schema | None) -> Any:
    """`inputs`: one value, a list, or a dictionary of columns."""
    fields = schema.by_name if schema else {}
    if schema is not None:
        if len(fields) == 1 and isinstance(data, list) and not any(isinstance(each, dict) for each in data):
            data = {next(iter(fields)): data}
        elif not schema.is_named and not (isinstance(data, list) or np.isscalar(data)):
            raise bad_request(
                "Failed to parse input data. This model contains an un-named  model signature which expects a single "
                f"n-dimensional array or a single value as input, however, an input of type {type(data)} was found."
            )
    if isinstance(data, dict):
        return {name: _converted(value, fields.get(name), schema) for name, value in data.items()}
    first = schema.fields[0] if schema else None
    if isinstance(data, list):
        if all(isinstance(row, dict) for row in data):
            return [{name: _converted(value, fields.get(name), schema) for name, value in row.items()} for row in data]
        return _converted(data, first, schema)
    try:
        return _converted(data, first, schema)
    except Exception:
        raise bad_request(f"Failed to convert data `{data}` to type `{first}` defined in the model signature.") from None


def _converted(data: Any, each: Field | None, schema: Schema | None) -> Any:
    try:
        if each is None:
            return np.array(data)
        if schema is not None and schema.is_tensor:
            return np.array(data, dtype=each.numpy)
        if isinstance(data, list | np.ndarray):
            return np.array(data, each.numpy)
        return np.array([data], each.numpy)[0]
    except Exception as error:
        raise bad_request(f"{error}") from None
