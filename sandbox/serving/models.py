"""Serving endpoints, their numbered configs, the entities they serve, and what happened to them."""

from django.db import models
from django.utils import timezone

from sandbox.workspaces.models import User, Workspace, new_id


class ConfigUpdate(models.TextChoices):
    """`EndpointStateConfigUpdate` [sdk]."""

    NOT_UPDATING = "NOT_UPDATING"
    IN_PROGRESS = "IN_PROGRESS"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_CANCELED = "UPDATE_CANCELED"


class Deployment(models.TextChoices):
    """`ServedModelStateDeployment` [sdk]."""

    CREATING = "DEPLOYMENT_CREATING"
    READY = "DEPLOYMENT_READY"
    RECOVERING = "DEPLOYMENT_RECOVERING"
    FAILED = "DEPLOYMENT_FAILED"
    ABORTED = "DEPLOYMENT_ABORTED"


class PermissionLevel(models.TextChoices):
    """`ServingEndpointPermissionLevel` [sdk]; each includes those before it."""

    CAN_VIEW = "CAN_VIEW"
    CAN_QUERY = "CAN_QUERY"
    CAN_MANAGE = "CAN_MANAGE"


class EndpointKind(models.TextChoices):
    """What stands behind an endpoint; kinds are not mixed in one endpoint [serve-multiple-models page]."""

    CUSTOM = "custom"
    EXTERNAL = "external"
    FOUNDATION = "foundation"


class BuildStatus(models.TextChoices):
    WAITING = "waiting"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


class Endpoint(models.Model):
    """A named URL that answers invocations.

    `active_version` answers invocations; `pending_version` is rolling out, or is what failed last
    (`config_update` says which). `stopped_version` is what answered when the endpoint was stopped last; it is stopped
    while no version is active and none is rolling out. All are `EndpointConfig.config_version` numbers.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="endpoints")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=16, choices=EndpointKind)
    task = models.CharField(max_length=40, blank=True)
    creator = models.CharField(max_length=254)
    description = models.TextField(blank=True)
    tags = models.JSONField(default=list)
    ai_gateway = models.JSONField(default=dict)
    email_notifications = models.JSONField(default=dict)
    telemetry_config = models.JSONField(default=dict)
    """See `sandbox.serving.telemetry`; `table_names` in it are not shown."""
    budget_policy_id = models.CharField(max_length=100, blank=True)
    route_optimized = models.BooleanField(default=False)
    config_update = models.CharField(max_length=16, choices=ConfigUpdate, default=ConfigUpdate.IN_PROGRESS)
    active_version = models.PositiveIntegerField(null=True)
    pending_version = models.PositiveIntegerField(null=True)
    stopped_version = models.PositiveIntegerField(null=True)
    latest_version = models.PositiveIntegerField(default=0)
    published_version = models.PositiveIntegerField(null=True)
    """The active version that gateways were last told (0: told that none is active); None before the first time."""
    access_version = models.PositiveIntegerField(default=0)
    """Counts changes of who may do what, so that no older list is published after a newer one."""
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="endpoint_name_is_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_stopped(self) -> bool:
        return self.active_version is None and self.stopped_version is not None and not self.is_updating

    @property
    def is_updating(self) -> bool:
        return self.config_update == ConfigUpdate.IN_PROGRESS

    @property
    def shown_version(self) -> int | None:
        """The config that GET shows as `config`: the active one, or the one that a start will bring back."""
        return self.stopped_version if self.active_version is None else self.active_version


class EndpointConfig(models.Model):
    """A numbered set of served entities and the shares of traffic between them."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="configs")
    config_version = models.PositiveIntegerField()
    routes = models.JSONField(default=list)
    """`[{"served_entity_name": …, "traffic_percentage": …}]`, adding up to 100."""
    auto_capture_config = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    """When its replicas were told to stop; None while it may still need them."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "config_version"], name="config_version_is_unique")]

    def __str__(self) -> str:
        return f"{self.endpoint_id} config {self.config_version}"


class ModelBuild(models.Model):
    """The conversion of one registered model version into the file that replicas load; shared by endpoints.

    `source` is where the registry says the version's files lie, so that a version number that was deleted and given
    again is built again. `deliveries` counts how often a worker began; the third death quarantines the model.
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="model_builds")
    entity_name = models.CharField(max_length=255)
    entity_version = models.CharField(max_length=32)
    source = models.CharField(max_length=500)
    status = models.CharField(max_length=16, choices=BuildStatus, default=BuildStatus.WAITING)
    model_sha256 = models.CharField(max_length=64, blank=True)
    runtime = models.CharField(max_length=16, default="onnx")
    """What replicas run the file with: `onnx`, or `pyfunc` for a model that is served as it is."""
    signature = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    """Of the files and the tools (`sandbox.builds.fingerprint`), once they have been built."""
    message = models.TextField(blank=True)
    log = models.TextField(blank=True)
    deliveries = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "entity_name", "entity_version", "source"], name="model_is_built_once")
        ]

    def __str__(self) -> str:
        return f"{self.entity_name} {self.entity_version}"


class ServedEntity(models.Model):
    """One thing behind the endpoint. Its id is the `entity_id` of the live snapshot and the inference table."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    config = models.ForeignKey(EndpointConfig, on_delete=models.CASCADE, related_name="entities")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    entity_name = models.CharField(max_length=255, blank=True)
    entity_version = models.CharField(max_length=32, blank=True)
    workload_size = models.CharField(max_length=16, blank=True)
    workload_type = models.CharField(max_length=32, default="CPU")
    scale_to_zero_enabled = models.BooleanField(default=False)
    min_provisioned_concurrency = models.PositiveIntegerField(null=True)
    max_provisioned_concurrency = models.PositiveIntegerField(null=True)
    environment_vars = models.JSONField(default=dict)
    instance_profile_arn = models.CharField(max_length=200, blank=True)
    external_model = models.JSONField(default=dict)
    """As it was sent, less every `…_plaintext` field."""
    external_secrets = models.JSONField(default=dict)
    """Field name -> ciphertext of what was sent as `<field>_plaintext`; never shown."""
    foundation_model = models.JSONField(default=dict)
    build = models.ForeignKey(ModelBuild, null=True, on_delete=models.SET_NULL, related_name="entities")
    model_sha256 = models.CharField(max_length=64, blank=True)
    """Known once built; for a foundation model from the start."""
    runtime = models.CharField(max_length=16, blank=True)
    """`pyfunc` when the build says so, `spec` for a feature spec; empty for what the endpoint's kind says."""
    lookups = models.JSONField(null=True)
    """A `sandbox.features.plan.LookupPlan`, found when it is deployed; {} when nothing is looked up, None before."""
    lookups_message = models.TextField(blank=True)
    """Why features cannot be looked up now, or are not kept up to date; empty when all is well."""
    deployment = models.CharField(max_length=32, choices=Deployment, default=Deployment.CREATING)
    deployment_state_message = models.TextField(blank=True)
    is_at_zero = models.BooleanField(default=False)
    """No replica is wanted: scaled to zero. The next invocation wakes it."""
    start_sent_at = models.DateTimeField(null=True, blank=True)
    """When a node was last asked for a replica; None when none is on its way."""
    placement = models.JSONField(default=dict)
    """`<node>/<incarnation>` -> how many replicas it was asked to run; empty at zero."""
    asked_replicas = models.PositiveSmallIntegerField(default=0)
    """How many replicas autoscaling asks for; 0 until it has decided: the lowest number of the size."""
    window_started_at = models.DateTimeField(null=True, blank=True)
    """When the current window of scaling down began; None while at the lowest number."""
    window_replicas = models.PositiveSmallIntegerField(default=0)
    """The most replicas that were needed at any moment of that window."""
    state_changed_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["config", "name"], name="served_entity_name_is_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_feature_spec(self) -> bool:
        """Features are served, without a model."""
        return bool(self.entity_name) and not self.entity_version


class DeploymentEvent(models.Model):
    """One change of state, for the events page and the labs; append-only."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="events")
    served_entity_name = models.CharField(max_length=200, blank=True)
    """Empty when the event is about the endpoint."""
    config_version = models.PositiveIntegerField()
    type = models.CharField(max_length=64)
    message = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.type} {self.served_entity_name}".strip()


class EndpointPermission(models.Model):
    """What one person or one group was given on an endpoint; exactly one of `user` and `group_name` is set."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="permissions")
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="endpoint_permissions")
    group_name = models.CharField(max_length=128, blank=True)
    level = models.CharField(max_length=16, choices=PermissionLevel)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "user"], condition=models.Q(user__isnull=False), name="permission_of_user_is_unique"
            ),
            models.UniqueConstraint(
                fields=["endpoint", "group_name"], condition=models.Q(user__isnull=True), name="permission_of_group_is_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level} for {self.user_id or self.group_name}"


class Notification(models.Model):
    """An e-mail about the end of an update: written with the change of state, sent afterwards, kept for a while."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="notifications")
    recipients = models.JSONField(default=list)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    tries = models.PositiveSmallIntegerField(default=0)
    try_after = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.subject
