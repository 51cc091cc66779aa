"""Items, their immutable versions, and options that each carry a rationale and may carry a proof."""

from datetime import date

from django.db import models
from django.db.models import Q

from quizzes.models.exams import Objective
from quizzes.models.immutable import AppendOnly


class ItemQuerySet(models.QuerySet["Item"]):
    """Look-ups of items."""

    def usable(self, today: date) -> "ItemQuerySet":
        """Items that may be asked: not retired, and their facts not expired."""
        return self.filter(retired=False, current__expires_on__gte=today)


class Item(models.Model):
    """A question; its words are in its versions."""

    key = models.SlugField(unique=True, max_length=80)
    bank = models.SlugField()
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, related_name="items")
    current = models.ForeignKey("quizzes.ItemVersion", on_delete=models.PROTECT, null=True, related_name="+")
    """The version that new attempts are given; None only while the first one is being written."""
    retired = models.BooleanField(default=False)

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class Bloom(models.TextChoices):
    """Bloom's levels, as far as multiple choice reaches."""

    REMEMBER = "remember"
    UNDERSTAND = "understand"
    APPLY = "apply"
    ANALYSE = "analyse"
    EVALUATE = "evaluate"


class ItemVersion(AppendOnly):
    """The wording of an item from one load of its bank to the next change; never edited."""

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    content_sha256 = models.CharField(max_length=64)
    stem = models.TextField()
    bloom = models.CharField(max_length=12, choices=Bloom.choices)
    exam_wording = models.CharField(max_length=120, blank=True)
    """What the exam guide calls the thing, where the product has renamed it since; else empty."""
    current_name = models.CharField(max_length=120, blank=True)
    source_url = models.URLField(max_length=300)
    source_dated = models.DateField()
    product_version = models.CharField(max_length=80)
    checked_on = models.DateField()
    expires_on = models.DateField()
    language = models.CharField(max_length=8, default="en")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["item", "number"]
        constraints = [models.UniqueConstraint(fields=["item", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.item.key} v{self.number}"


class Option(AppendOnly):
    """One choice. Letters are given on the page; here options have only an authoring position."""

    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="options")
    position = models.PositiveSmallIntegerField()
    text = models.TextField()
    is_key = models.BooleanField()
    rationale = models.TextField()
    misconception = models.SlugField(max_length=80)
    """Distractor: the belief that choosing it shows. Key: the belief that choosing it speaks against."""
    proof = models.JSONField(default=dict)
    """{program, arguments, claims, observed}: see quizzes.proofs; empty when nothing can be run."""

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="one_option_per_position"),
            models.UniqueConstraint(fields=["version"], condition=Q(is_key=True), name="one_key_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.version} option {self.position}"
