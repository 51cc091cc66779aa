"""Bodies of the Unity Catalog API, field for field [SDK 0.156: databricks.sdk.service.catalog]. Unknown fields are ignored."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from sandbox.catalog.changes import MAX_COMMENT_CHARACTERS
from sandbox.errors import InvalidParameterValue

Body = serializers.Serializer[Any]


def text(**more: Any) -> serializers.CharField:
    return serializers.CharField(**{"required": False, "allow_blank": True, "trim_whitespace": False, **more})


def needed(**more: Any) -> serializers.CharField:
    return serializers.CharField(trim_whitespace=False, **more)


def comment() -> serializers.CharField:
    return text(max_length=MAX_COMMENT_CHARACTERS)


class TextMap(serializers.DictField):
    child = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=4_000)


def read(body: type[Body], request: Request) -> dict[str, Any]:
    """The body's known fields without nulls. The first problem becomes INVALID_PARAMETER_VALUE."""
    if not isinstance(request.data, dict):
        raise InvalidParameterValue("The body must be a JSON object.")
    serializer = body(data=_without_nulls(request.data))
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class CreateCatalogBody(Body):
    name = needed()
    comment = comment()
    properties = TextMap(required=False)


class CreateSchemaBody(CreateCatalogBody):
    catalog_name = needed()


class ChangeBody(Body):
    """Every PATCH of an object; which fields count depends on its kind."""

    new_name = text()
    owner = text(max_length=254)
    comment = comment()
    properties = TextMap(required=False)


class ColumnBody(Body):
    name = needed()
    type_text = text(max_length=20_000)
    type_name = text(max_length=32)
    nullable = serializers.BooleanField(required=False, default=True)
    comment = comment()


class CreateTableBody(Body):
    name = needed()
    catalog_name = needed()
    schema_name = needed()
    table_type = needed()
    data_source_format = text()
    storage_location = text()
    columns = ColumnBody(many=True, required=False)
    properties = TextMap(required=False)
    comment = comment()


class CreateVolumeBody(Body):
    name = needed()
    catalog_name = needed()
    schema_name = needed()
    volume_type = needed()
    storage_location = text()
    comment = comment()


class ParameterBody(Body):
    name = needed()
    type_text = needed(max_length=20_000)
    parameter_default = text()
    comment = comment()


class ParametersBody(Body):
    parameters = ParameterBody(many=True, required=False)


class FunctionBody(Body):
    name = needed()
    catalog_name = needed()
    schema_name = needed()
    input_params = ParametersBody(required=False)
    data_type = text(max_length=32)
    full_data_type = text(max_length=20_000)
    return_params = ParametersBody(required=False)
    routine_body = serializers.ChoiceField(choices=("SQL", "EXTERNAL"))
    routine_definition = needed()
    external_language = text(max_length=32)
    is_deterministic = serializers.BooleanField(required=False, default=True)
    comment = comment()


class CreateFunctionBody(Body):
    function_info = FunctionBody()


class PermissionChangeBody(Body):
    principal = needed(max_length=254)
    add = serializers.ListField(child=serializers.CharField(max_length=100), required=False)
    remove = serializers.ListField(child=serializers.CharField(max_length=100), required=False)


class PermissionsBody(Body):
    changes = PermissionChangeBody(many=True, required=False)
    omit_permissions_in_response = serializers.BooleanField(required=False, default=False)


class PrimaryKeyBody(Body):
    name = needed()
    child_columns = serializers.ListField(child=serializers.CharField(), allow_empty=False)
    timeseries_columns = serializers.ListField(child=serializers.CharField(), required=False)


class ConstraintBody(Body):
    primary_key_constraint = PrimaryKeyBody(required=False)
    foreign_key_constraint = serializers.DictField(required=False)
    named_table_constraint = serializers.DictField(required=False)


class CreateConstraintBody(Body):
    full_name_arg = needed()
    constraint = ConstraintBody()


class TagBody(Body):
    entity_type = needed()
    entity_name = needed()
    tag_key = needed()
    tag_value = text()


class TagValueBody(Body):
    tag_value = text()


class LineageBody(Body):
    table_name = needed()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
