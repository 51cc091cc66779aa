"""What a learner's client may say in the JSON body of an MLflow call."""

import base64
import json
from typing import Any

from sandbox.errors import InvalidParameterValue
from sandbox.registry.artifact_uris import DBFS

_DEFAULT_EXPERIMENT_SPELLINGS = {"0", "None"}
"""Clients that never chose an experiment send MLflow's id of the default one, or the word None."""
_ARTIFACT_LOCATION_TAG = "mlflow.artifactLocation"


def checked_body(path: str, body: dict[str, Any], default_experiment_id: str) -> dict[str, Any]:
    """The body as it goes on to the server: hostile fields refused, the default experiment named.

    Field names are compared as protobuf reads them: `artifactLocation` is `artifact_location`.

    Raises:
        InvalidParameterValue: the body chooses where files lie, or holds a page token that no answer gave.
    """
    for key, value in body.items():
        name = _field(key)
        if name in {"artifactlocation", "artifacturi"} and value:
            raise InvalidParameterValue(
                f"{key!r} cannot be chosen: the workspace keeps its artifacts itself. Create the experiment without it."
            )
        if name == "pagetoken" and value and path.endswith("/logged-models/search"):
            _check_page_token(value)
    if "/traces" in path:
        _check_trace(body)
    return {key: _experiment(key, value, default_experiment_id) for key, value in body.items()}


def checked_query(pairs: list[tuple[str, str]], default_experiment_id: str) -> list[tuple[str, str]]:
    """The query as it goes on to the server: the default experiment named.

    Raises:
        InvalidParameterValue: the id of an experiment is no number; MLflow 3.17 would answer 500.
    """
    checked = [(key, _experiment(key, value, default_experiment_id)) for key, value in pairs]
    for key, value in checked:
        if _field(key) == "experimentids" and not (value.isascii() and value.isdecimal()):
            raise InvalidParameterValue(f"{key} must be ids of experiments, which are numbers, not '{value[:60]}'.")
    return checked


def _check_page_token(token: Any) -> None:
    """MLflow 3.17 answers 500 to a token that it did not make; clients would repeat that for minutes."""
    try:
        offset = json.loads(base64.b64decode(token))["offset"]
    except (ValueError, TypeError, KeyError, RecursionError):
        offset = None
    if not isinstance(offset, int):
        raise InvalidParameterValue(
            f"{str(token)[:60]!r} is no page token. Send the next_page_token of an answer, or leave it out."
        )


def _field(key: str) -> str:
    return key.replace("_", "").lower()


def _check_trace(body: dict[str, Any]) -> None:
    """A trace must not choose where its spans lie: MLflow would read them from there.

    Databricks clients send the place back that they were told; it is left out, since the server knows it.
    """
    open_values: list[Any] = [body]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            if str(value.get(_ARTIFACT_LOCATION_TAG, "")).startswith(DBFS):
                del value[_ARTIFACT_LOCATION_TAG]
            if _ARTIFACT_LOCATION_TAG in value or value.get("key") == _ARTIFACT_LOCATION_TAG:
                raise InvalidParameterValue(f"The tag {_ARTIFACT_LOCATION_TAG!r} is set by the registry and cannot be chosen.")
            open_values.extend(value.values())
        elif isinstance(value, list):
            open_values.extend(value)


def _experiment(key: str, value: Any, default_experiment_id: str) -> Any:
    name = _field(key)
    if name == "experimentid" and str(value) in _DEFAULT_EXPERIMENT_SPELLINGS:
        return default_experiment_id
    if name == "experimentids" and isinstance(value, list):
        return [default_experiment_id if str(v) in _DEFAULT_EXPERIMENT_SPELLINGS else v for v in value]
    if name == "experimentids" and str(value) in _DEFAULT_EXPERIMENT_SPELLINGS:
        return default_experiment_id
    return value
