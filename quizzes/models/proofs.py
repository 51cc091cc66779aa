"""A learner's replay of an option's proof in her own workspace."""

from django.conf import settings
from django.db import models

from quizzes.models.items import Option


class ProofRun(models.Model):
    """One replay: queued by the page, run by a background task, polled until it is done."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        ERROR = "error"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="proof_runs")
    option = models.ForeignKey(Option, on_delete=models.PROTECT, related_name="proof_runs")
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

    def __str__(self) -> str:
        return f"proof run {self.pk}: {self.state}"
