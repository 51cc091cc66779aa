"""Exams, objectives and question sets: what there is to practise, and the start of a drill."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from quizzes import progress
from quizzes.attempts import NoItems, start_attempt
from quizzes.models import Attempt, Exam, Form, Item, Objective
from quizzes.views.people import person


@login_required
@require_GET
def study(request: HttpRequest) -> HttpResponse:
    """The exams with their dated blueprints, and the question sets by endpoint type."""
    forms = Form.objects.annotate(items=Count("form_items", filter=Q(form_items__item__retired=False)))
    return render(request, "quizzes/study.html", {"exams": Exam.objects.prefetch_related("blueprints"), "forms": forms})


@login_required
@require_GET
def exam(request: HttpRequest, exam_slug: str) -> HttpResponse:
    """One exam: its newest blueprint and the learner's standing by objective."""
    found = get_object_or_404(Exam, slug=exam_slug)
    lines = progress.exam_progress(person(request), found)
    return render(request, "quizzes/exam.html", {"exam": found, "blueprint": found.blueprints.first(), "lines": lines})


@login_required
@require_GET
def objective(request: HttpRequest, exam_slug: str, objective_slug: str) -> HttpResponse:
    """One objective of an exam: what it asks for, and the learner's standing."""
    found = get_object_or_404(Exam, slug=exam_slug)
    line = next((p for p in progress.exam_progress(person(request), found) if p.objective.slug == objective_slug), None)
    wanted = get_object_or_404(Objective, slug=objective_slug, lines__blueprint__exam=found) if line is None else line.objective
    seen = Item.objects.filter(objective=wanted, versions__attempt_items__attempt__user=person(request))
    shown = {
        "exam": found,
        "objective": wanted,
        "line": line,
        "answered_items": seen.exclude(versions__attempt_items__responses=None).distinct().select_related("current"),
    }
    return render(request, "quizzes/objective.html", shown)


@login_required
@require_POST
def start_drill(request: HttpRequest) -> HttpResponse:
    """Begin an attempt on the posted form, objective or exam."""
    try:
        attempt = _start(request)
    except NoItems:
        messages.warning(request, "There is no question to ask there at the moment.")
        return redirect("study")
    return redirect("attempt", attempt.pk)


def _start(request: HttpRequest) -> Attempt:
    user = person(request)
    if slug := request.POST.get("form"):
        return start_attempt(user, form=get_object_or_404(Form, slug=slug))
    if slug := request.POST.get("objective"):
        return start_attempt(user, objective=get_object_or_404(Objective, slug=slug))
    return start_attempt(user, exam=get_object_or_404(Exam, slug=request.POST.get("exam", "")))
