"""Groups of learners and what is set to them."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q

JOIN_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""No 0/O, 1/I/L: codes are read aloud and typed."""
JOIN_CODE_LENGTH = 8


def new_join_code() -> str:
    """40 bits from the system's random source."""
    return "".join(secrets.choice(JOIN_CODE_ALPHABET) for _ in range(JOIN_CODE_LENGTH))


class Cohort(models.Model):
    """A group that an instructor leads."""

    name = models.CharField(max_length=120)
    instructor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cohorts_led")
    join_code = models.CharField(max_length=JOIN_CODE_LENGTH, unique=True, default=new_join_code)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Enrolment(models.Model):
    """A learner's membership of a cohort."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="enrolments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="enrolments")
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["cohort", "user"], name="enrolled_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.cohort}"


class Assignment(models.Model):
    """A form or a lab set to a cohort, perhaps with a due time."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="assignments")
    form = models.ForeignKey("quizzes.Form", on_delete=models.CASCADE, null=True, related_name="assignments")
    lab = models.ForeignKey("quizzes.Lab", on_delete=models.CASCADE, null=True, related_name="assignments")
    due_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(form__isnull=True, lab__isnull=False) | Q(form__isnull=False, lab__isnull=True),
                name="assignment_is_form_or_lab",
            )
        ]

    def __str__(self) -> str:
        return f"{self.cohort}: {self.form or self.lab}"
