"""Hands-on tasks, one learner's run of a task, and the verdicts of its checks."""

from django.conf import settings
from django.db import models

from quizzes.models.immutable import AppendOnly


class Lab(models.Model):
    """A task as loaded from its YAML file; `specification` is that file, validated."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=160)
    summary = models.TextField()
    minutes = models.PositiveSmallIntegerField()
    specification = models.JSONField()
    content_sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title


class LabRun(models.Model):
    """One learner's go at a lab; only requests made after `started_at` count."""

    class State(models.TextChoices):
        SETTING_UP = "setting-up"
        STARTED = "started"
        SETUP_FAILED = "setup-failed"
        PASSED = "passed"
        ENDED = "ended"

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="lab_runs")
    state = models.CharField(max_length=16, choices=State.choices, default=State.SETTING_UP)
    message = models.TextField(blank=True)
    solved_for_learner = models.BooleanField(default=False)
    """The reference solution was run: the checks are shown, the run never counts as passed."""
    solving_since = models.DateTimeField(null=True)
    """While the reference solution is being run; else None."""
    started_at = models.DateTimeField(auto_now_add=True)
    passed_at = models.DateTimeField(null=True)
    """None until every check passed."""

    class Meta:
        ordering = ["-started_at", "-pk"]
        indexes = [models.Index(fields=["user", "lab", "-started_at"])]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.lab.slug}"


class Verdict(models.TextChoices):
    """What a check says. `error` is ours, never the learner's, and costs nothing."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    ERROR = "error"
    NOT_RUN = "not-run"


class CheckResult(AppendOnly):
    """The verdict of one check in one round of checking."""

    run = models.ForeignKey(LabRun, on_delete=models.CASCADE, related_name="results")
    round = models.PositiveIntegerField()
    check_name = models.SlugField(max_length=80)
    weight = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    expected = models.TextField()
    got = models.TextField()
    checked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["run", "round", "pk"]
        constraints = [models.UniqueConstraint(fields=["run", "round", "check_name"], name="one_verdict_per_round")]

    def __str__(self) -> str:
        return f"{self.check_name}: {self.verdict}"
