"""Items, their immutable versions, and options that each carry a rationale and may carry a proof."""

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from quizzes.models.exams import Exam, Objective
from quizzes.models.immutable import AppendOnly


class Kind(models.TextChoices):
    """How an item is answered."""

    SINGLE = "single"
    MULTIPLE = "multiple"
    ORDERING = "ordering"
    MATCHING = "matching"
    COMPUTED = "computed"


class ItemQuerySet(models.QuerySet["Item"]):
    """Look-ups of items."""

    def usable(self, today: date) -> "ItemQuerySet":
        """Items that may be asked: neither retired nor quarantined, their facts not expired, and computed if they must be."""
        asked = self.filter(retired=False, quarantined=False, current__expires_on__gte=today)
        uncomputed = Q(current__kind=Kind.COMPUTED) & ~Exists(ItemVariant.objects.filter(version=OuterRef("current")))
        return asked.exclude(uncomputed)


class Item(models.Model):
    """A question; its words are in its versions."""

    key = models.SlugField(unique=True, max_length=80)
    bank = models.SlugField()
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, related_name="items")
    exam = models.ForeignKey(Exam, on_delete=models.PROTECT, null=True, related_name="items")
    """The exam that it is written for; None only for items from before exams were named."""
    difficulty = models.CharField(max_length=8, blank=True)
    """What the author expects: easy, medium or hard."""
    current = models.ForeignKey("quizzes.ItemVersion", on_delete=models.PROTECT, null=True, related_name="+")
    """The version that new attempts are given; None only while the first one is being written."""
    retired = models.BooleanField(default=False)
    quarantined = models.BooleanField(default=False)
    """Not asked, because its statistics say that something is wrong; why stands in its events."""

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
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SINGLE)
    stem = models.TextField()
    stimulus = models.JSONField(default=dict)
    """{language, caption, code}: shown with the stem; empty when there is none."""
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
    evidence = models.JSONField(default=list)
    """[{says, source, dated}]: why the key is right and each distractor wrong."""
    no_proof = models.TextField(blank=True)
    """Why nothing, or not everything, can be run."""
    proof = models.JSONField(default=dict)
    """Ordering: what running the right order shows. Computed: {program, arguments} that report the facts."""
    parameters = models.JSONField(default=dict)
    """Computed: the values that each placeholder may take, by its name."""
    constraints = models.JSONField(default=list)
    """Computed: comparisons that a combination of values satisfies."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["item", "number"]
        constraints = [models.UniqueConstraint(fields=["item", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.item.key} v{self.number}"


class ItemVariant(AppendOnly):
    """One combination of a computed item's parameters, with the facts that the sandbox reported for it."""

    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="variants")
    number = models.PositiveSmallIntegerField()
    parameters = models.JSONField()
    facts = models.JSONField()
    """The facts that the texts show, by name."""
    key = models.TextField()
    """The key's text with everything filled in."""
    digest = models.CharField(max_length=64)
    """Of parameters and facts: what an attempt was given."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["version", "number"]
        constraints = [models.UniqueConstraint(fields=["version", "number"], name="one_variant_per_number")]

    def __str__(self) -> str:
        return f"{self.version}, variant {self.number}"


class Option(AppendOnly):
    """One choice; or one step of an ordering, at its right position; or one pair or extra text of a matching.

    Letters are given on the page; here options have only an authoring position.
    """

    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="options")
    position = models.PositiveSmallIntegerField()
    prompt = models.TextField(blank=True)
    """Matching: the left side; empty for an extra text that belongs to no prompt."""
    text = models.TextField()
    is_key = models.BooleanField()
    rationale = models.TextField()
    misconception = models.SlugField(max_length=80)
    """Distractor: the belief that choosing it shows. Key: the belief that choosing it speaks against."""
    proof = models.JSONField(default=dict)
    """{program, arguments, claims, observed}: see quizzes.proofs; empty when nothing can be run."""

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["version", "position"], name="one_option_per_position")]

    def __str__(self) -> str:
        return f"{self.version} option {self.position}"


class ItemEvent(AppendOnly):
    """What was done to an item and by whom: the audit log of authoring."""

    class Kind(models.TextChoices):
        PUBLISHED = "published"
        QUARANTINED = "quarantined"
        RELEASED = "released"
        IMPORTED = "imported"
        KEY_FIXED = "key fixed"

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    detail = models.TextField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    """None: the site did it by itself, or the person was erased."""
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.item.key}: {self.kind}"


class ProblemReport(models.Model):
    """A reader's word that something about an item is wrong."""

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="reports")
    version = models.ForeignKey(ItemVersion, on_delete=models.PROTECT, related_name="reports")
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="problem_reports")
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    reply = models.TextField(blank=True)
    """What the author answered when closing it; the reporter reads it on the item's page."""
    closed_at = models.DateTimeField(null=True)
    """None while nobody has looked into it."""
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"report {self.pk} on {self.item.key}"
