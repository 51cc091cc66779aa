"""Exams, their dated blueprints, the objectives that items measure, and fixed forms."""

from django.db import models


class Exam(models.Model):
    """A certification exam that learners prepare for."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class Objective(models.Model):
    """One thing a learner should be able to do; several exams may ask for it."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    text = models.TextField()
    endpoint_type = models.CharField(max_length=20, blank=True)
    """custom, foundation, external, or empty when it spans all three."""
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.name


class Blueprint(models.Model):
    """What an exam guide of a certain date asks for, and where that was read."""

    exam = models.ForeignKey(Exam, on_delete=models.CASCADE, related_name="blueprints")
    dated = models.DateField()
    source = models.CharField(max_length=300)
    note = models.TextField()
    """How far the figures can be trusted; shown beside them."""
    question_count = models.PositiveSmallIntegerField()
    minutes = models.PositiveSmallIntegerField()
    objectives = models.ManyToManyField(Objective, through="BlueprintLine", related_name="blueprints")

    class Meta:
        ordering = ["-dated"]
        constraints = [models.UniqueConstraint(fields=["exam", "dated"], name="one_blueprint_per_date")]

    def __str__(self) -> str:
        return f"{self.exam.name}, guide of {self.dated}"


class BlueprintLine(models.Model):
    """An objective within a domain of a blueprint."""

    blueprint = models.ForeignKey(Blueprint, on_delete=models.CASCADE, related_name="lines")
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, related_name="lines")
    domain = models.CharField(max_length=120)
    domain_percentage = models.PositiveSmallIntegerField()
    """Share of the whole domain in the exam; the domain holds more than serving."""

    class Meta:
        ordering = ["-domain_percentage", "objective__position"]
        constraints = [models.UniqueConstraint(fields=["blueprint", "objective"], name="objective_once_per_blueprint")]

    def __str__(self) -> str:
        return f"{self.blueprint}: {self.objective.slug}"


class Form(models.Model):
    """A fixed, ordered arrangement of items."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.title


class FormItem(models.Model):
    """One place in a form."""

    form = models.ForeignKey(Form, on_delete=models.CASCADE, related_name="form_items")
    item = models.ForeignKey("quizzes.Item", on_delete=models.PROTECT, related_name="form_items")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["form", "position"], name="one_item_per_form_position"),
            models.UniqueConstraint(fields=["form", "item"], name="item_once_per_form"),
        ]

    def __str__(self) -> str:
        return f"{self.form.slug} {self.position}: {self.item.key}"
