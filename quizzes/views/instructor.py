"""Cohorts: make one, see how its members do, take the table along."""

import csv

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from quizzes.cohorts import create_cohort
from quizzes.inputs import CohortInput
from quizzes.reports import cohort_progress
from quizzes.views.home import cohorts_led
from quizzes.views.people import instructors_only, led_cohort, person


@instructors_only
@require_http_methods(["GET", "POST"])
def teach(request: HttpRequest) -> HttpResponse:
    """The instructor's cohorts, and the form for a new one."""
    given = CohortInput(request.POST or None)
    if request.method == "POST" and given.is_valid():
        cohort = create_cohort(person(request), given.cleaned_data["name"])
        return redirect("cohort_progress", cohort.pk)
    shown = {"cohorts": cohorts_led(person(request)), "form": given}
    return render(request, "quizzes/teach.html", shown, status=422 if given.errors else 200)


@instructors_only
@never_cache
@require_GET
def progress_page(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """Learners by objectives: a table whose cells are fuller for a higher facility."""
    cohort = led_cohort(person(request), cohort_id)
    report = cohort_progress(cohort)
    join_url = request.build_absolute_uri(reverse("join_with", args=[cohort.join_code]))
    shown = {"cohort": cohort, "report": report, "join_url": join_url}
    return render(request, "quizzes/cohort_progress.html", shown)


@instructors_only
@never_cache
@require_GET
def progress_csv(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """The same report as the page, as CSV with numbers as numbers."""
    cohort = led_cohort(person(request), cohort_id)
    report = cohort_progress(cohort)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="cohort-{cohort.pk}-progress.csv"'
    writer = csv.writer(response)
    writer.writerow(report.header())
    writer.writerows([[_plain(value) for value in line] for line in report.table()])
    return response


def _plain(value: object) -> object:
    """Text that a spreadsheet would read as a formula gets an apostrophe in front."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value
