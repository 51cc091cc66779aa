"""Unity Catalog's securable objects of a workspace, what is granted on them, their tags, and their lineage."""

from django.db import models
from django.utils import timezone

from sandbox.workspaces.models import Workspace, new_id


class SecurableType(models.TextChoices):
    """Kinds of securable objects, spelled as in the SDK's SecurableType [SDK 0.156: databricks.sdk.service.catalog]."""

    CATALOG = "CATALOG"
    SCHEMA = "SCHEMA"
    TABLE = "TABLE"
    VOLUME = "VOLUME"
    FUNCTION = "FUNCTION"
    MODEL = "MODEL"


class Securable(models.Model):
    """One object that can be owned, commented, tagged and granted; details of tables, functions and versions stand beside it.

    Names are kept in lower case, as Unity Catalog keeps them [docs: Names, SQL language reference]. A model without schema
    (`parent` None, one-part name) belongs to the workspace model registry.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="securables")
    securable_type = models.CharField(max_length=16, choices=SecurableType)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    """The catalog of a schema, the schema of everything else; None for catalogs."""
    name = models.CharField(max_length=255)
    full_name = models.CharField(max_length=800)
    """`catalog`, `catalog.schema` or `catalog.schema.name`."""
    owner = models.CharField(max_length=254)
    """A person as the REST API names her, or a group."""
    comment = models.TextField(blank=True)
    properties = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=254)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "securable_type", "full_name"], name="securable_full_name_is_unique"),
        ]
        indexes = [models.Index(fields=["parent", "securable_type", "name"], name="securable_children")]

    def __str__(self) -> str:
        return f"{self.securable_type} {self.full_name}"


class TableDetail(models.Model):
    """What a table is besides its rows, which lie in a Delta table."""

    securable = models.OneToOneField(Securable, primary_key=True, on_delete=models.CASCADE, related_name="table")
    table_type = models.CharField(max_length=16, default="MANAGED")
    """MANAGED (inference tables too, as documented) or VIEW."""
    location = models.CharField(max_length=800)
    """Folder of the Delta table below the workspace's folder; empty for a view."""
    columns = models.JSONField(default=list)
    """In order: {name, type_text, type_name, nullable, comment}; a copy of the Delta schema, so that lists open no table."""
    primary_key = models.JSONField(default=list)
    """Column names; empty without the constraint."""
    primary_key_name = models.CharField(max_length=255, blank=True)
    timeseries_columns = models.JSONField(default=list)
    """Those of the primary key that are declared TIMESERIES."""
    view_definition = models.TextField(blank=True)


class FunctionDetail(models.Model):
    """A SQL or Python function; its text runs only in the jail."""

    securable = models.OneToOneField(Securable, primary_key=True, on_delete=models.CASCADE, related_name="function")
    language = models.CharField(max_length=16)
    """SQL or PYTHON."""
    definition = models.TextField()
    """The body: Python source, or the SQL expression or query after RETURN."""
    parameters = models.JSONField(default=list)
    """In order: {name, type_text, type_name, default, comment}."""
    return_type_text = models.CharField(max_length=255)
    return_type_name = models.CharField(max_length=32)
    is_deterministic = models.BooleanField(default=True)


class ModelDetail(models.Model):
    """What a registered model is besides its versions and aliases."""

    securable = models.OneToOneField(Securable, primary_key=True, on_delete=models.CASCADE, related_name="model")
    last_version = models.PositiveIntegerField(default=0)
    """The highest number that was ever given out: numbers of deleted and failed versions are not used again."""
    deployment_job_id = models.CharField(max_length=64, blank=True)
    """Kept and shown; nothing runs it."""


class ModelVersion(models.Model):
    """One version of a registered model. It is READY only once all its files are there (`registry.version_files`)."""

    class Status(models.TextChoices):
        PENDING_REGISTRATION = "PENDING_REGISTRATION"
        FAILED_REGISTRATION = "FAILED_REGISTRATION"
        READY = "READY"

    registered_model = models.ForeignKey(Securable, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    status = models.CharField(max_length=24, choices=Status)
    status_message = models.TextField(blank=True)
    """Why a registration failed."""
    source = models.CharField(max_length=1000, blank=True)
    """`models:/<model_id>`, `runs:/…` or an artifact address, as the client named it."""
    run_id = models.CharField(max_length=64, blank=True)
    model_id = models.CharField(max_length=64, blank=True)
    comment = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    run_link = models.CharField(max_length=1000, blank=True)
    dependencies = models.JSONField(default=list)
    """Tables, functions, endpoints and so on that the client named: {type, name}."""
    described = models.JSONField(default=dict)
    """What its MLmodel file says, read once when it became READY: {flavor, flavor_version, inputs, outputs}."""
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=254)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.CharField(max_length=254)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registered_model", "version"], name="model_version_is_unique")]
        indexes = [
            models.Index(fields=["registered_model", "-updated_at"], name="model_version_newest"),
            models.Index(fields=["run_id"], name="model_version_run"),
            models.Index(fields=["updated_at"], name="model_version_pending", condition=models.Q(status="PENDING_REGISTRATION")),
        ]

    def __str__(self) -> str:
        return f"{self.registered_model_id} version {self.version}"


class ModelAlias(models.Model):
    """A movable name of a version, kept in lower case: clients may write it in any."""

    registered_model = models.ForeignKey(Securable, on_delete=models.CASCADE, related_name="aliases")
    alias = models.CharField(max_length=255)
    """As it was written."""
    alias_key = models.CharField(max_length=255)
    """In lower case."""
    version = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registered_model", "alias_key"], name="model_alias_is_unique")]

    def __str__(self) -> str:
        return self.alias


class Tag(models.Model):
    """A key and value on an object, or on one column of a table."""

    securable = models.ForeignKey(Securable, on_delete=models.CASCADE, related_name="tags")
    column = models.CharField(max_length=255, blank=True)
    """Empty: the tag is on the object."""
    key = models.CharField(max_length=256)
    value = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["securable", "column", "key"], name="tag_is_unique")]

    def __str__(self) -> str:
        return self.key


class Grant(models.Model):
    """One privilege of one principal on one object; what lies below inherits it."""

    securable = models.ForeignKey(Securable, on_delete=models.CASCADE, related_name="grants")
    principal = models.CharField(max_length=254)
    """A person as the REST API names her, or a group of the workspace."""
    privilege = models.CharField(max_length=40)
    """As in the SDK's Privilege."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["securable", "principal", "privilege"], name="grant_is_unique")]

    def __str__(self) -> str:
        return f"{self.privilege} to {self.principal}"


class LineageEdge(models.Model):
    """Something that was made from, or reads, something else. Ends are named, not linked: lineage outlives what it is about."""

    class Kind(models.TextChoices):
        TABLE = "TABLE"
        FUNCTION = "FUNCTION"
        MODEL_VERSION = "MODEL_VERSION"
        ENDPOINT = "ENDPOINT"
        RUN = "RUN"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="lineage_edges")
    source_kind = models.CharField(max_length=16, choices=Kind)
    source_name = models.CharField(max_length=800)
    """A full name; `catalog.schema.model/3` for a model version, the id for a run."""
    target_kind = models.CharField(max_length=16, choices=Kind)
    target_name = models.CharField(max_length=800)
    at = models.DateTimeField(default=timezone.now)
    """The last time that it was seen."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "source_kind", "source_name", "target_kind", "target_name"], name="lineage_edge_is_unique"
            ),
        ]
        indexes = [models.Index(fields=["workspace", "target_kind", "target_name"], name="lineage_upstream")]

    def __str__(self) -> str:
        return f"{self.source_name} to {self.target_name}"
