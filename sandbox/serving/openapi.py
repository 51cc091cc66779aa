"""The query schema of an endpoint as an OpenAPI document, from the signatures that its models were logged with.

What is looked up is not in it, the keys are.

Shape after the example of the manage-serving-endpoints page: a path for each served model, `oneOf` over input forms.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from sandbox.errors import InvalidState, ResourceDoesNotExist
from sandbox.features.plan import LookupPlan
from sandbox.serving.lookup_schema import answered_columns, plan_of, sent_columns
from sandbox.serving.models import Endpoint, ServedEntity
from sandbox.serving.representation import config_of, is_ready

Json = dict[str, Any]
TYPES: dict[str, Json] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
}
NUMBERS = {"i": "integer", "u": "integer", "f": "number", "b": "boolean"}
"""First letter of a NumPy dtype's name -> JSON type; everything else is text."""


def describe(endpoint: Endpoint) -> Json:
    """The document of a READY endpoint. Raises InvalidState and ResourceDoesNotExist (no signature)."""
    config = config_of(endpoint, endpoint.active_version)
    if config is None or not is_ready(endpoint):
        raise InvalidState(f"Endpoint {endpoint.name} is not ready: its query schema is there once its state is READY.")
    paths = {f"/served-models/{entity.name}/invocations": {"post": _operation(entity)} for entity in config.entities.all()}
    return {
        "openapi": "3.1.0",
        "info": {"title": endpoint.name, "version": str(config.config_version)},
        "servers": [{"url": f"{settings.SITE_URL}/serving-endpoints/{endpoint.name}"}],
        "paths": paths,
    }


def _operation(entity: ServedEntity) -> Json:
    plan = plan_of(entity)
    if plan is not None and entity.is_feature_spec:
        return _documented({"inputs": sent_columns(plan)}, _outputs(plan))
    signature = entity.build.signature if entity.build else {}
    if not signature.get("inputs"):
        raise ResourceDoesNotExist(
            f"Served entity {entity.name} has no logged signature, so there is no query schema. Log the model with a signature."
        )
    taken = {**signature, "inputs": sent_columns(plan, signature["inputs"])} if plan is not None else signature
    return _documented(taken, response_schema(signature))


def _documented(taken: Mapping[str, Any], answered: Json) -> Json:
    return {
        "requestBody": {"required": True, "content": _json(request_schema(taken))},
        "responses": {"200": {"description": "Successful operation", "content": _json(answered)}},
    }


def _outputs(plan: LookupPlan) -> Json:
    """A feature spec answers one object for each row."""
    row = {"type": "object", "properties": {each["name"]: _column(each) for each in answered_columns(plan)}}
    return {"type": "object", "required": ["outputs"], "properties": {"outputs": {"type": "array", "items": row}}}


def request_schema(signature: Mapping[str, Any]) -> Json:
    """One of the forms that a body may take for this signature (`sandbox.builds.signature`)."""
    inputs = signature["inputs"]
    forms = _tensor_forms(inputs) if signature.get("kind") == "tensor" else _column_forms(inputs)
    params = _params(signature.get("params") or ())
    return {"oneOf": [_form(name, schema, params) for name, schema in forms.items()]}


def response_schema(signature: Mapping[str, Any]) -> Json:
    output = signature.get("output") or {}
    value = TYPES.get(output.get("type", ""), {})
    shapes: dict[str, Json] = {
        "scalar": value,
        "vector": {"type": "array", "items": value},
        "record": {"type": "object", "additionalProperties": value},
    }
    items = shapes.get(output.get("form", ""), {})
    return {"type": "object", "required": ["predictions"], "properties": {"predictions": {"type": "array", "items": items}}}


def _form(name: str, schema: Json, params: Json) -> Json:
    return {"type": "object", "required": [name], "properties": {name: schema, **params}}


def _column_forms(inputs: Sequence[Json]) -> dict[str, Json]:
    names = [each["name"] for each in inputs]
    required = [each["name"] for each in inputs if each.get("required", True)]
    columns = {each["name"]: _column(each) for each in inputs}
    return {
        "dataframe_split": {
            "type": "object",
            "required": ["columns", "data"],
            "properties": {
                "columns": {
                    "description": f"required fields: {', '.join(required)}",
                    "type": "array",
                    "items": {"type": "string", "enum": names},
                },
                "data": {"type": "array", "items": {"type": "array", "prefixItems": list(columns.values())}},
                "index": {"type": "array"},
            },
        },
        "dataframe_records": {
            "type": "array",
            "items": {"type": "object", "required": required, "properties": columns},
        },
    }


def _tensor_forms(inputs: Sequence[Json]) -> dict[str, Json]:
    if len(inputs) == 1 and not inputs[0].get("name"):
        return dict.fromkeys(("instances", "inputs"), _tensor(inputs[0], 0))
    whole = {each["name"]: _tensor(each, 0) for each in inputs}
    rows = {each["name"]: _tensor(each, 1) for each in inputs}
    row = {"type": "object", "required": list(rows), "properties": rows}
    return {
        "instances": {"type": "array", "items": row},
        "inputs": {"type": "object", "required": list(whole), "properties": whole},
    }


def _column(column: Json) -> Json:
    written = column.get("type")
    return TYPES.get(written, {}) if isinstance(written, str) else {}


def _tensor(tensor: Json, skip: int) -> Json:
    """Nested arrays, without the first `skip` dimensions; -1 is any length."""
    kind = NUMBERS.get(str(tensor.get("type", ""))[:1], "string")
    schema: Json = {"type": kind}
    for length in reversed(list(tensor.get("shape", ()))[skip:]):
        fixed = {} if length < 0 else {"minItems": length, "maxItems": length}
        schema = {"type": "array", "items": schema, **fixed}
    return schema


def _params(params: Sequence[Json]) -> Json:
    if not params:
        return {}
    described = {each["name"]: _param(each) for each in params}
    return {"params": {"type": "object", "properties": described}}


def _param(param: Json) -> Json:
    value = _column(param)
    schema = value if param.get("shape") is None else {"type": "array", "items": value}
    return {**schema, "default": param.get("default")}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
