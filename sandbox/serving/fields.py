"""What the bodies of the serving-endpoints API have in common."""

from typing import Any

from rest_framework import serializers

from sandbox.errors import InvalidParameterValue


def optional(**more: Any) -> dict[str, Any]:
    """Arguments of a field that may be left out or null."""
    return {"required": False, "allow_null": True, **more}


def choices(words: tuple[str, ...]) -> dict[str, Any]:
    return optional(choices=words, error_messages={"invalid_choice": f'"{{input}}" is not valid. Use {", ".join(words)}.'})


def list_of(body: type[serializers.Serializer[Any]], **more: Any) -> Any:
    """A list that may be left out or null. (`many=True` would hand allow_null on, and take nulls for items too.)"""
    return serializers.ListSerializer(child=body(), **optional(**more))


class TextMap(serializers.DictField):
    """A map from text to text."""

    child = serializers.CharField(allow_blank=True, trim_whitespace=False)


def checked(body: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The body's known fields without nulls; unknown ones are ignored, as the real API does."""
    if not isinstance(data, dict):
        raise InvalidParameterValue("The body must be a JSON object.")
    serializer = body(data=data)
    serializer.is_valid(raise_exception=True)
    without = without_nulls(serializer.validated_data)
    assert isinstance(without, dict)
    return without


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value
