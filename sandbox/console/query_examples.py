"""A request body that the endpoint can answer: from the logged input example, else from the model's signature."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from sandbox.builds.signature import InputField, Signature
from sandbox.console.endpoint_pages import EndpointView
from sandbox.errors import ApiError
from sandbox.features.example_keys import example_key
from sandbox.features.plan import LookupPlan
from sandbox.registry import store
from sandbox.serving.lookup_schema import plan_of, sent_columns
from sandbox.serving.models import ModelBuild, ServedEntity
from sandbox.workspaces.models import Workspace


@dataclass(frozen=True)
class QueryExample:
    """A body to begin with, and a sentence on where it comes from."""

    body: dict[str, Any]
    note: str = ""


TASK_EXAMPLES: dict[str, dict[str, Any]] = {
    "llm/v1/chat": {"messages": [{"role": "user", "content": "When is scale to zero a bad idea?"}], "max_tokens": 200},
    "llm/v1/completions": {"prompt": "An inference table holds", "max_tokens": 60},
    "llm/v1/embeddings": {"input": ["Where does a custom model run?"]},
}
TYPE_EXAMPLES: dict[str, Any] = {"string": "text", "boolean": True, "integer": 1, "long": 1}
"""A value of each MLflow type; every other type is a number with a fraction."""
ROWS = 2
LOGGED_NOTE = "Filled in from the input example that was logged with the model."
SIGNATURE_NOTE = "Made from the model's signature: the names and types are right, the values are only placeholders."
LOOKUP_NOTE = "The columns that you have to send; features are looked up. The key is one of a row that the online table has."
UNKNOWN_NOTE = "The model has not been built yet, so its columns are not known. Replace this row by one of yours."


def example_for(workspace: Workspace, endpoint: EndpointView) -> QueryExample:
    """What the query panel is filled with."""
    if endpoint.task in TASK_EXAMPLES:
        return QueryExample(TASK_EXAMPLES[endpoint.task])
    entities = endpoint.shown_config.entities if endpoint.shown_config else ()
    if not entities:
        return QueryExample({"dataframe_records": [{}]}, UNKNOWN_NOTE)
    model, version = entities[0].model, entities[0].version
    served = ServedEntity.objects.filter(id=entities[0].entity_id, config__endpoint__workspace=workspace).first()
    if served is not None and (plan := plan_of(served)) is not None:
        return QueryExample(_with_keys(plan, _logged_example(workspace, model, version) if version else None), LOOKUP_NOTE)
    logged = _logged_example(workspace, model, version)
    return QueryExample(logged, LOGGED_NOTE) if logged else _from_build(workspace, model, version)


def _logged_example(workspace: Workspace, model: str, version: str) -> dict[str, Any] | None:
    """The first rows of the example that MLflow keeps with the model; None when there is none or the registry is away."""
    try:
        found = store.get_version(workspace.id, model, version)
        example = json.loads(store.serving_input_example(workspace.id, found))
    except (ApiError, ValueError):
        return None
    return first_rows(example) if isinstance(example, dict) else None


def _with_keys(plan: LookupPlan, logged: dict[str, Any] | None) -> dict[str, Any]:
    """One row of what is sent: keys that are there, what was logged of the rest, else placeholders."""
    row = {each["name"]: TYPE_EXAMPLES.get(each["type"], 0.5) for each in sent_columns(plan)}
    split = (logged or {}).get("dataframe_split") or {}
    if split.get("data"):
        example = zip(split["columns"], split["data"][0], strict=False)
        row |= {name: value for name, value in example if name in row}
    with suppress(RedisError):
        for table in plan.tables:
            key = example_key(table.online_table_id)
            row |= {sent: key[column] for column, sent in table.key.items() if column in key}
    return {"dataframe_records": [row]}


def first_rows(example: Mapping[str, Any]) -> dict[str, Any]:
    """The same body with at most two rows."""
    body = dict(example)
    frame = body.get("dataframe_split")
    if isinstance(frame, Mapping) and isinstance(frame.get("data"), list):
        body["dataframe_split"] = {"columns": frame.get("columns", []), "data": frame["data"][:ROWS]}
    for name in ("inputs", "instances", "dataframe_records"):
        if isinstance(body.get(name), list):
            body[name] = body[name][:ROWS]
    return body


def _from_build(workspace: Workspace, model: str, version: str) -> QueryExample:
    build = (
        ModelBuild.objects.filter(workspace=workspace, entity_name=model, entity_version=version)
        .exclude(signature={})
        .order_by("-created_at")
        .first()
    )
    if build is None:
        return QueryExample({"dataframe_records": [{}]}, UNKNOWN_NOTE)
    return QueryExample(body_of(Signature.from_dict(build.signature)), SIGNATURE_NOTE)


def body_of(signature: Signature) -> dict[str, Any]:
    """One row that fits the signature: a record of columns, or tensors of ones."""
    if signature.kind == "columns":
        return {"dataframe_records": [{each.name: TYPE_EXAMPLES.get(each.type, 0.5) for each in signature.inputs}]}
    tensors = {each.name: _tensor(each) for each in signature.inputs}
    return {"inputs": tensors if len(tensors) > 1 or "" not in tensors else tensors[""]}


def _tensor(field: InputField) -> Any:
    """Nested lists of the tensor's shape, with one row."""
    value: Any = TYPE_EXAMPLES.get(field.type, 0.5)
    for length in reversed(field.shape or (1,)):
        value = [value] * (1 if length < 0 else length)
    return value
