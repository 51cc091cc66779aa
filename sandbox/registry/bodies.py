"""Fields of the registry's requests, one class for each kind of call; fields that are not named here are ignored."""

from typing import Any

from rest_framework import serializers

from sandbox.registry.registered_models import MAX_COMMENT_CHARACTERS, MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS

Body = serializers.Serializer[Any]
NAME_CHARACTERS = 800


def text(most: int, **options: Any) -> serializers.CharField:
    """A text that may be empty or left out."""
    return serializers.CharField(
        max_length=most, allow_blank=True, allow_null=True, trim_whitespace=False, **{"default": "", "required": False, **options}
    )


def needed(most: int) -> serializers.CharField:
    return serializers.CharField(max_length=most, trim_whitespace=False)


class Tag(Body):
    key = needed(MAX_KEY_CHARACTERS)
    value = text(MAX_VALUE_CHARACTERS)


class Dependency(Body):
    type = needed(100)
    name = needed(NAME_CHARACTERS)


class Named(Body):
    name = needed(NAME_CHARACTERS)


class Nothing(Body):
    pass


class NewModel(Named):
    description = text(MAX_COMMENT_CHARACTERS)
    tags = Tag(many=True, required=False, default=list)
    deployment_job_id = text(64)


class ModelChanges(Named):
    new_name = text(NAME_CHARACTERS, default=None)
    description = text(MAX_COMMENT_CHARACTERS, default=None)
    deployment_job_id = text(64, default=None)


class Renamed(Named):
    new_name = needed(NAME_CHARACTERS)


class Search(Body):
    filter = text(100_000)
    max_results = text(20)
    order_by = serializers.ListField(child=serializers.CharField(max_length=200), required=False, default=list)
    page_token = text(200)


class Latest(Named):
    stages = serializers.ListField(child=serializers.CharField(max_length=40), required=False, default=list)


class ModelTag(Named):
    key = needed(1000)
    value = text(100_000)


class Alias(Named):
    alias = needed(1000)


class SetAlias(Alias):
    version = needed(40)


class Numbered(Named):
    version = needed(40)


class VersionTag(Numbered):
    key = needed(1000)
    value = text(100_000)


class VersionChanges(Numbered):
    description = text(MAX_COMMENT_CHARACTERS)


class NewVersion(Named):
    def get_fields(self) -> dict[str, Any]:
        """`source` takes whatever is sent: the operation says what a source is. (As an attribute it would hide DRF's own.)"""
        return {**super().get_fields(), "source": serializers.JSONField(required=False)}

    run_id = text(64)
    run_link = text(1000)
    description = text(MAX_COMMENT_CHARACTERS)
    model_id = text(64)
    tags = Tag(many=True, required=False, default=list)


class NewCatalogVersion(NewVersion):
    feature_deps = text(1_000_000)
    model_version_dependencies = Dependency(many=True, required=False, default=list)


class Use(Numbered):
    """Lineage: the version was used by, or made from, a table."""

    model_version_lineage_info = serializers.JSONField(required=False, default=dict)
    securable = serializers.JSONField(required=False, default=dict)


# --- Unity Catalog's REST API -------------------------------------------------------------------------


class Flags(Body):
    """`include_browse` adds what the caller may only know of, `include_aliases` the aliases."""

    include_aliases = serializers.BooleanField(default=False)
    include_browse = serializers.BooleanField(default=False)


class CatalogPage(Flags):
    max_results = text(20)
    page_token = text(200)


class CatalogList(CatalogPage):
    catalog_name = text(300)
    schema_name = text(300)


class NewCatalogModel(Body):
    name = needed(300)
    catalog_name = needed(300)
    schema_name = needed(300)
    comment = text(MAX_COMMENT_CHARACTERS)
    storage_location = text(1000)


class CatalogModelChanges(Body):
    new_name = text(NAME_CHARACTERS, default=None)
    comment = text(MAX_COMMENT_CHARACTERS, default=None)
    owner = text(254, default=None)


class CatalogVersionChanges(Body):
    comment = text(MAX_COMMENT_CHARACTERS)


class CatalogAlias(Body):
    version_num = serializers.IntegerField(min_value=1, max_value=999_999_999)
