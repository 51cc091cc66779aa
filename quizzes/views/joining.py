"""Joining a cohort with its code."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from quizzes.cohorts import join_cohort
from quizzes.inputs import JoinInput
from quizzes.views.people import person


@login_required
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, code: str = "") -> HttpResponse:
    """The form (filled in from a link), and the joining itself, which a link alone never does."""
    given = JoinInput(request.POST) if request.method == "POST" else JoinInput(initial={"code": code})
    if request.method == "POST" and given.is_valid():
        cohort = join_cohort(person(request), given.cleaned_data["code"])
        messages.success(request, f"You are in “{cohort.name}”. Your instructor sees your drills and labs from now on.")
        return redirect("home")
    return render(request, "quizzes/join.html", {"form": given}, status=422 if given.errors else 200)
