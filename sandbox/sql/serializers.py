"""Bodies and queries of the SQL APIs, field for field [SDK 0.156: sql.py]."""

import re
from typing import Any

from rest_framework import serializers


class ParameterBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=255)
    value = serializers.CharField(required=False, allow_null=True, allow_blank=True, trim_whitespace=False, default=None)
    type = serializers.CharField(required=False, max_length=100, default="STRING")


class ExecuteStatementBody(serializers.Serializer[Any]):
    statement = serializers.CharField(trim_whitespace=False)
    warehouse_id = serializers.CharField()
    catalog = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=255, default=None)
    schema = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=255, default="default")
    parameters = ParameterBody(many=True, required=False, default=list)
    row_limit = serializers.IntegerField(required=False, allow_null=True, min_value=1, default=None)
    byte_limit = serializers.IntegerField(required=False, allow_null=True, min_value=1, default=None)
    wait_timeout = serializers.CharField(required=False, default="10s")
    on_wait_timeout = serializers.ChoiceField(required=False, choices=["CONTINUE", "CANCEL"], default="CONTINUE")
    disposition = serializers.CharField(required=False, default="INLINE")
    format = serializers.CharField(required=False, default="JSON_ARRAY")

    def validate_wait_timeout(self, value: str) -> str:
        match = re.fullmatch(r"(\d{1,3})s", value)
        if match is None or not (int(match[1]) == 0 or 5 <= int(match[1]) <= 50):
            raise serializers.ValidationError(f"'{value}' is not 0s or a time between 5s and 50s.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        asked = (attrs["disposition"], attrs["format"])
        if asked not in {("INLINE", "JSON_ARRAY"), ("EXTERNAL_LINKS", "ARROW_STREAM")}:
            raise serializers.ValidationError(
                f"Disposition '{asked[0]}' with format '{asked[1]}' is not available here; use INLINE with JSON_ARRAY, or "
                "EXTERNAL_LINKS with ARROW_STREAM."
            )
        return attrs


class HistoryQuery(serializers.Serializer[Any]):
    include_metrics = serializers.BooleanField(required=False, default=False)
    max_results = serializers.IntegerField(required=False, min_value=1, max_value=1000, default=100)
    page_token = serializers.CharField(required=False, allow_blank=True, default="")
