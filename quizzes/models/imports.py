"""An author's import of a file: what it would do, what it did, and how far it is."""

from django.conf import settings
from django.db import models


class ImportRun(models.Model):
    """A file between its upload and the end of its import; the file lies in DATA_DIR/imports and goes after an hour."""

    class State(models.TextChoices):
        QUEUED = "queued"
        READING = "reading"
        PLANNED = "planned"
        CONFIRMED = "confirmed"
        STORING = "storing"
        STORED = "stored"
        REFUSED = "refused"
        GONE = "gone"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=200)
    """As the author's machine calls it; only shown."""
    format = models.CharField(max_length=12)
    """Slug of quizzes.interchange.formats."""
    wishes = models.JSONField()
    """What the author chose in the form: importing.Wishes as a mapping."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    message = models.TextField(blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    plan = models.JSONField(default=dict)
    """importing.Plan as a mapping: entries, losses and problems; empty before the dry run."""
    without_refused = models.BooleanField(default=False)
    """The author said: import the others without those that are refused."""
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.file_name}: {self.state}"
