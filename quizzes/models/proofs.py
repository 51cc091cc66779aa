"""Replays of proofs in a learner's own workspace, and proof runs of an author's drafts."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from quizzes.models.items import ItemVariant, ItemVersion, Option


class RunState(models.TextChoices):
    """How far background work is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


class ProofRun(models.Model):
    """One replay: queued by the page, run by a background task, polled until it is done.

    Of an option; of an ordering as a whole (`version`); or of a variant of a computed item.
    """

    State = RunState

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="proof_runs")
    option = models.ForeignKey(Option, on_delete=models.PROTECT, null=True, related_name="proof_runs")
    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, null=True, related_name="proof_runs")
    variant = models.ForeignKey(ItemVariant, on_delete=models.PROTECT, null=True, related_name="proof_runs")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    message = models.TextField(blank=True)
    """What is being done now, or why it could not be done."""
    confirmed = models.BooleanField(null=True)
    """True: the observation is the recorded one. None until the run is done."""
    observation = models.JSONField(default=dict)
    """Observation.to_dict(): exchanges, facts, table rows."""
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "started_at"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(option__isnull=False, version__isnull=True, variant__isnull=True)
                | Q(option__isnull=True, version__isnull=False, variant__isnull=True)
                | Q(option__isnull=True, version__isnull=True, variant__isnull=False),
                name="proof_run_of_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"proof run {self.pk}: {self.state}"

    @property
    def target(self) -> Option | ItemVersion | ItemVariant:
        """What is replayed."""
        found = self.option or self.variant or self.version
        assert found is not None, "the database holds runs to exactly one target"
        return found


class DraftProof(models.Model):
    """A run of all proofs of an item that an author is writing, in her own workspace."""

    State = RunState

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="draft_proofs")
    item_key = models.CharField(max_length=80)
    bank_text = models.TextField()
    """The whole bank file with the draft in it: an item may use anchors of others."""
    state = models.CharField(max_length=8, choices=RunState.choices, default=RunState.QUEUED)
    message = models.TextField(blank=True)
    lines = models.JSONField(default=list)
    """One mapping for each proof that has run: what it is of, whether it is confirmed, and the comparisons."""
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"draft proof {self.pk} of {self.item_key}: {self.state}"
