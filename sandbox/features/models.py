"""Online stores, online tables and the history of their syncs."""

import uuid

from django.db import models
from django.utils import timezone

from sandbox.workspaces.models import Workspace, new_id


def new_pipeline_id() -> str:
    return str(uuid.uuid4())


class OnlineStore(models.Model):
    """A named store for online tables [docs: Databricks Online Feature Stores]; behind all of them is the site's one Redis."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="online_stores")
    name = models.CharField(max_length=63)
    capacity = models.CharField(max_length=8)
    """CU_1, CU_2, CU_4 or CU_8: kept and shown, the speed is that of this machine."""
    read_replica_count = models.PositiveSmallIntegerField(default=0)
    creator = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="online_store_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class OnlineTable(models.Model):
    """A read-only copy of a Delta table by key, kept in Redis; `sandbox.features.encoding` says how."""

    class Mode(models.TextChoices):
        """When changes of the source come over [SDK: PublishSpecPublishMode]."""

        SNAPSHOT = "SNAPSHOT"
        TRIGGERED = "TRIGGERED"
        CONTINUOUS = "CONTINUOUS"

    class State(models.TextChoices):
        """[SDK: OnlineTableState]."""

        PROVISIONING = "PROVISIONING_PIPELINE_RESOURCES"
        INITIAL_SNAPSHOT = "PROVISIONING_INITIAL_SNAPSHOT"
        NO_PENDING_UPDATE = "ONLINE_NO_PENDING_UPDATE"
        TRIGGERED_UPDATE = "ONLINE_TRIGGERED_UPDATE"
        CONTINUOUS_UPDATE = "ONLINE_CONTINUOUS_UPDATE"
        PIPELINE_FAILED = "ONLINE_PIPELINE_FAILED"
        FAILED = "OFFLINE_FAILED"

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="online_tables")
    full_name = models.CharField(max_length=800)
    store = models.ForeignKey(OnlineStore, null=True, on_delete=models.PROTECT, related_name="tables")
    """None for one that was made by the older online-tables API."""
    source_id = models.CharField(max_length=32)
    """The catalog's id of the source: a source that is dropped and made anew is another table [docs: troubleshooting]."""
    source_name = models.CharField(max_length=800)
    primary_key = models.JSONField()
    """The columns that a row is looked up by: the source's primary key without its time-series column."""
    timeseries_key = models.CharField(max_length=255, blank=True)
    """With it, only the latest row of each key is kept."""
    mode = models.CharField(max_length=16, choices=Mode)
    pipeline_id = models.CharField(max_length=36, default=new_pipeline_id, unique=True)
    state = models.CharField(max_length=40, choices=State, default=State.PROVISIONING)
    message = models.TextField(blank=True)
    synced_version = models.BigIntegerField(null=True)
    """Version of the source that the rows are of; None before the first sync has ended."""
    synced_rows = models.BigIntegerField(default=0)
    synced_bytes = models.BigIntegerField(default=0)
    """Memory that the rows take in the store, as it was measured after the last sync."""
    synced_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    """When a continuous sync last looked for changes."""
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "full_name"], name="online_table_name_is_unique")]
        indexes = [models.Index(fields=["workspace", "source_id"], name="online_table_source")]

    def __str__(self) -> str:
        return self.full_name


class Sync(models.Model):
    """One run of an online table's pipeline."""

    class Kind(models.TextChoices):
        FULL = "FULL"
        """All rows, into a new generation."""
        INCREMENTAL = "INCREMENTAL"
        """What the change data feed has since the version before."""

    class State(models.TextChoices):
        QUEUED = "QUEUED"
        RUNNING = "RUNNING"
        COMPLETED = "COMPLETED"
        FAILED = "FAILED"

    id = models.CharField(primary_key=True, max_length=36, default=new_pipeline_id, editable=False)
    table = models.ForeignKey(OnlineTable, on_delete=models.CASCADE, related_name="syncs")
    kind = models.CharField(max_length=16, choices=Kind, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    cause = models.CharField(max_length=200, blank=True)
    """Why it was started, as a phrase."""
    from_version = models.BigIntegerField(null=True)
    to_version = models.BigIntegerField(null=True)
    total_rows = models.BigIntegerField(default=0)
    done_rows = models.BigIntegerField(default=0)
    deleted_rows = models.BigIntegerField(default=0)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["table", "-created_at"], name="sync_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"
