"""The catalogue of labs and a learner's run: text on one side, checks on the other."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from quizzes import progress
from quizzes.labs import runs
from quizzes.labs.samples import samples
from quizzes.models import CheckResult, Lab, LabRun
from quizzes.queue import QueueAway, enqueue
from quizzes.views.people import own_lab_run, person, wants_fragment

CANNOT_START = "The site's background worker cannot be reached. Nothing was lost; try again in a moment."


@login_required
@require_GET
def labs(request: HttpRequest) -> HttpResponse:
    """Every lab with the state of the learner's latest run."""
    return render(request, "quizzes/labs.html", {"labs": progress.lab_progress(person(request))})


@login_required
@never_cache
@require_GET
def lab_run(request: HttpRequest, slug: str) -> HttpResponse:
    """A lab: what to do, and the state of the run that the learner is in."""
    lab = get_object_or_404(Lab, slug=slug)
    run = runs.current_run(person(request), lab)
    template = "quizzes/_lab_state.html" if wants_fragment(request) else "quizzes/lab_run.html"
    return render(request, template, lab_view(request, lab, run))


@login_required
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin a run and have its setup done in the background; a failed setup is tried again."""
    lab = get_object_or_404(Lab, slug=slug)
    run = runs.start_run(person(request), lab)
    if run.state in {LabRun.State.SETTING_UP, LabRun.State.SETUP_FAILED}:
        LabRun.objects.filter(pk=run.pk).update(state=LabRun.State.SETTING_UP, message="")
        _send(request, runs.SET_UP_TASK, run)
    return redirect("lab_run", slug)


@login_required
@require_POST
def check(request: HttpRequest, run_id: int) -> HttpResponse:
    """One round of checks, now."""
    run = own_lab_run(person(request), run_id)
    runs.check_run(run)
    if not wants_fragment(request):
        return redirect("lab_run", run.lab.slug)
    run.refresh_from_db()
    return render(request, "quizzes/_lab_state.html", lab_view(request, run.lab, run))


@login_required
@require_POST
def solve(request: HttpRequest, run_id: int) -> HttpResponse:
    """Have the reference solution run; the run no longer counts as passed."""
    run = own_lab_run(person(request), run_id)
    _send(request, runs.SOLVE_TASK, run)
    return redirect("lab_run", run.lab.slug)


@login_required
@require_POST
def end(request: HttpRequest, run_id: int) -> HttpResponse:
    """Finish the run and remove what it made; a new one can be begun."""
    run = own_lab_run(person(request), run_id)
    runs.end_run(run)
    _send(request, runs.CLEAN_UP_TASK, run)
    messages.success(request, "The run has ended and its endpoint is being removed. You can start again.")
    return redirect("lab_run", run.lab.slug)


def lab_view(request: HttpRequest, lab: Lab, run: LabRun | None) -> dict[str, Any]:
    """What the page and its live fragment show."""
    spec = runs.specification(lab)
    results = runs.latest_results(run) if run else []
    by_name = {result.check_name: result for result in results}
    return {
        "lab": lab,
        "spec": spec,
        "run": run,
        "samples": samples(spec, request.build_absolute_uri("/").rstrip("/")),
        "is_setting_up": run is not None and run.state == LabRun.State.SETTING_UP,
        "is_solving": run is not None and run.solving_since is not None,
        "checks": [(check, by_name.get(check.name)) for check in spec.checks],
        "round": results[0].round if results else 0,
        "checked_at": results[-1].checked_at if results else None,
        "score": runs.score_percentage(results),
        "rounds": CheckResult.objects.filter(run=run).values("round").distinct().count() if run else 0,
    }


def _send(request: HttpRequest, task: str, run: LabRun) -> None:
    try:
        enqueue(task, run.pk)
    except QueueAway:
        messages.error(request, CANNOT_START)
