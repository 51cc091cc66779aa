"""One learner's sitting, its frozen questions, and the append-only log of answers."""

from django.conf import settings
from django.db import models

from quizzes.models.exams import Exam, Form, Objective
from quizzes.models.immutable import AppendOnly, AppendOnlyQuerySet
from quizzes.models.items import ItemVariant, ItemVersion, Option


class Attempt(models.Model):
    """A sitting. The scores are computed from the responses, never stored here."""

    class Behaviour(models.TextChoices):
        DRILL = "drill"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="attempts")
    behaviour = models.CharField(max_length=12, choices=Behaviour.choices, default=Behaviour.DRILL)
    exam = models.ForeignKey(Exam, on_delete=models.PROTECT, null=True, related_name="attempts")
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, null=True, related_name="attempts")
    form = models.ForeignKey(Form, on_delete=models.PROTECT, null=True, related_name="attempts")
    title = models.CharField(max_length=160)
    seed = models.BigIntegerField()
    """Decides the order of options; never leaves the server."""
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    """None while questions are open."""

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["user", "-started_at"])]

    def __str__(self) -> str:
        return f"attempt {self.pk}: {self.title}"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class AttemptItem(AppendOnly):
    """A question of an attempt: item version and variant are pinned when the attempt starts."""

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="attempt_items")
    position = models.PositiveSmallIntegerField()
    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="attempt_items")
    variant = models.ForeignKey(ItemVariant, on_delete=models.PROTECT, null=True, related_name="attempt_items")
    """The parameters that a computed item is asked with; None for every other kind."""

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["attempt", "position"], name="one_item_per_attempt_position"),
            models.UniqueConstraint(fields=["attempt", "version"], name="version_once_per_attempt"),
        ]

    def __str__(self) -> str:
        return f"{self.attempt_id}/{self.position}"


class ResponseQuerySet(AppendOnlyQuerySet["Response"]):
    """Answers never change; what they are worth changes when a key is put right."""

    def rescore(self, score: float) -> int:
        """Give these answers another score; the number of rows. For key fixes alone, which also write an audit entry."""
        return models.QuerySet.update(self, score=score)


class Response(AppendOnly):
    """One answer. (attempt item, sequence) makes a repeated submission the same answer."""

    attempt_item = models.ForeignKey(AttemptItem, on_delete=models.CASCADE, related_name="responses")
    sequence = models.PositiveSmallIntegerField()
    """1 for the first answer to this question in this attempt; a drill takes no second."""
    answer = models.JSONField()
    """Authoring positions of what was chosen or arranged: see quizzes.scoring."""
    option = models.ForeignKey(Option, on_delete=models.PROTECT, null=True, related_name="responses")
    """The one option that was chosen; None for kinds that take more than one."""
    score = models.FloatField()
    """Points by the key in force when it was given, or since the last key fix: 0 or 1."""
    answered_at = models.DateTimeField(auto_now_add=True)

    objects = ResponseQuerySet.as_manager()  # type: ignore[misc]  # a queryset that can do one thing more

    class Meta:
        ordering = ["attempt_item", "sequence"]
        constraints = [models.UniqueConstraint(fields=["attempt_item", "sequence"], name="answer_once_per_sequence")]

    def __str__(self) -> str:
        return f"answer {self.sequence} to {self.attempt_item}"

    @property
    def is_right(self) -> bool:
        """Whether it has the full point."""
        return self.score >= 1
