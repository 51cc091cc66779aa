"""Bodies of the online-tables and feature-store APIs, field for field [SDK 0.156: catalog.OnlineTable, ml]."""

from typing import Any

from rest_framework import serializers

from sandbox.catalog.bodies import Body, needed, text
from sandbox.features.models import OnlineTable


class OnlineTableSpecBody(Body):
    source_table_full_name = needed()
    primary_key_columns = serializers.ListField(child=needed(max_length=255), required=False, default=list)
    timeseries_key = text(max_length=255, default="")
    perform_full_copy = serializers.BooleanField(required=False, default=False)
    run_triggered = serializers.DictField(required=False)
    run_continuously = serializers.DictField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "run_triggered" in attrs and "run_continuously" in attrs:
            raise serializers.ValidationError("Name one of run_triggered and run_continuously, not both.")
        return attrs


class OnlineTableBody(Body):
    name = needed()
    spec = OnlineTableSpecBody()


class OnlineStoreBody(Body):
    name = needed(max_length=200)
    capacity = needed(max_length=50)
    read_replica_count = serializers.IntegerField(required=False, default=0)


class ChangeOnlineStoreBody(Body):
    capacity = text(max_length=50)
    read_replica_count = serializers.IntegerField(required=False)


class PublishSpecBody(Body):
    online_store = needed(max_length=200)
    online_table_name = needed(max_length=800)
    publish_mode = serializers.ChoiceField(choices=OnlineTable.Mode.values, required=False, default=OnlineTable.Mode.TRIGGERED)


class PublishBody(Body):
    publish_spec = PublishSpecBody()
