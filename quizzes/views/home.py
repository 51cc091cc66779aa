"""The first page: the learner's next step, or the instructor's cohorts."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from quizzes import progress
from quizzes.models import Cohort, Enrolment
from quizzes.models.labs import LabRun
from quizzes.views.people import person
from sandbox.public import Person

RECENT = 5
BEGUN = {LabRun.State.STARTED, LabRun.State.SETTING_UP}


@dataclass(frozen=True)
class NextStep:
    """What to do now: a sentence, why, and a button. `posts` says that the button starts something."""

    title: str
    why: str
    label: str
    url: str
    posts: bool = False
    objective: str = ""


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    user = person(request)
    if user.role == "instructor":
        return render(request, "quizzes/home_instructor.html", {"cohorts": cohorts_led(user)})
    labs = progress.lab_progress(user)
    shown = {
        "next_step": next_step(user, labs),
        "open_attempts": progress.open_attempts(user)[:RECENT],
        "recent_attempts": progress.recent_attempts(user)[:RECENT],
        "labs": labs,
        "enrolments": Enrolment.objects.filter(user=user).select_related("cohort"),
    }
    return render(request, "quizzes/home.html", shown)


def cohorts_led(user: Person) -> list[Cohort]:
    """The instructor's cohorts with the number of members."""
    return list(Cohort.objects.filter(instructor=user).annotate(members=Count("enrolments")))


def next_step(user: Person, labs: list[progress.LabProgress]) -> NextStep:
    """An open drill first, then a lab begun, then the weakest objective, then a first drill."""
    attempt = progress.open_attempts(user).first()
    if attempt is not None:
        left = attempt.questions - attempt.answered
        why = f"{left} of {attempt.questions} questions are open."
        return NextStep(f"Go on with “{attempt.title}”", why, "Continue", reverse("attempt", args=[attempt.pk]))
    begun = next((entry for entry in labs if entry.run and entry.run.state in BEGUN), None)
    if begun is not None:
        url = reverse("lab_run", args=[begun.lab.slug])
        return NextStep(f"Finish the lab “{begun.lab.title}”", "You have begun it.", "Open the lab", url)
    weakest = progress.weakest_objective(user)
    if weakest is None:
        return NextStep(
            "Take your first drill", "Up to ten questions, each with feedback at once.", "Choose a drill", reverse("study")
        )
    if weakest.facility is not None and weakest.facility.value < 1:
        title, slug = f"Practise “{weakest.objective.name}”", weakest.objective.slug
        why = f"{weakest.facility.percentage} % right so far (n = {weakest.facility.n})."
        return NextStep(title, why, "Start a drill", reverse("start_drill"), posts=True, objective=slug)
    return NextStep(
        "Do a lab", "You answered everything right so far. Now do it with your hands.", "See the labs", reverse("labs")
    )
