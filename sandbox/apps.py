"""Django application configuration."""

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from sandbox.catalog.functions import Definition
    from sandbox.catalog.hooks import SystemTable
    from sandbox.workspaces.members import Caller


class SandboxConfig(AppConfig):
    name = "sandbox"

    def ready(self) -> None:
        """What lower services cannot know is handed to them: serving hears of people, the catalog has others fill its tables."""
        from sandbox.catalog import grants
        from sandbox.catalog.hooks import lend_system_table, use_function_check
        from sandbox.features.online_tables import online_table_deleted
        from sandbox.features.sync import online_table_changed
        from sandbox.serving import lookup_events
        from sandbox.serving.permissions import people_have_changed
        from sandbox.workspaces.members import people_changed

        people_changed.connect(people_have_changed, dispatch_uid="serving.permissions")
        people_changed.connect(grants.people_have_changed, dispatch_uid="catalog.grants")
        online_table_deleted.connect(lookup_events.online_table_was_deleted, dispatch_uid="serving.deleted_online_table")
        online_table_changed.connect(lookup_events.online_table_changed, dispatch_uid="serving.changed_online_table")
        use_function_check(_check_function)
        lend_system_table("system.serving.served_entities", _served_entities)
        lend_system_table("system.serving.endpoint_usage", _endpoint_usage)


def _check_function(caller: "Caller", definition: "Definition") -> None:
    from sandbox.catalog.functions import FEATURE_SPEC
    from sandbox.errors import InvalidParameterValue
    from sandbox.features.spec import FeatureSpec, SpecError
    from sandbox.sql.function_check import check

    if definition.language != FEATURE_SPEC:
        return check(caller, definition)
    try:
        FeatureSpec.from_json(definition.body)
    except SpecError as error:
        raise InvalidParameterValue(f"The feature spec cannot be created. {error}") from None


def _served_entities() -> "SystemTable":
    from sandbox.serving.system_tables import SERVED_ENTITIES

    return SERVED_ENTITIES


def _endpoint_usage() -> "SystemTable":
    from sandbox.inference_tables.system_tables import ENDPOINT_USAGE

    return ENDPOINT_USAGE
