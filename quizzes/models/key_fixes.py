"""Corrections of keys: which versions have another key since when, why, and how far re-scoring is."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from quizzes.models.immutable import AppendOnly
from quizzes.models.items import Item, ItemVersion
from quizzes.models.proofs import RunState


class KeyFix(models.Model):
    """An author's correction of an item's key; the re-scoring that follows is background work that can be killed and resumed."""

    State = RunState

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="key_fixes")
    to_version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="key_fixes")
    """The version with the right key, written by this fix."""
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.TextField()
    state = models.CharField(max_length=8, choices=RunState.choices, default=RunState.QUEUED)
    message = models.TextField(blank=True)
    total = models.PositiveIntegerField(default=0)
    """Questions of attempts that have a corrected version, answered or not."""
    done = models.PositiveIntegerField(default=0)
    done_up_to = models.BigIntegerField(default=0)
    """Id of the last attempt item that was looked at: where a killed run goes on."""
    changed = models.PositiveIntegerField(default=0)
    """Answers that have another score since."""
    people = models.PositiveIntegerField(default=0)
    """Learners who gave them, as the preview counted them."""
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    """None until every answer was looked at."""

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state"], condition=~Q(state="done"), name="unfinished_key_fixes")]

    def __str__(self) -> str:
        return f"key fix {self.pk} of {self.item.key}: {self.state}"


class KeyCorrection(AppendOnly):
    """The key of `version` is that of the fix's `to_version`; of several corrections the newest holds.

    Both versions have the same options at the same positions; only keys, rationales and misconceptions differ.
    """

    fix = models.ForeignKey(KeyFix, on_delete=models.PROTECT, related_name="corrections")
    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="corrections")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["fix", "version"], name="version_corrected_once_per_fix")]

    def __str__(self) -> str:
        return f"{self.version} by {self.fix_id}"
