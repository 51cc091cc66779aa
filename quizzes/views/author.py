"""Authoring: the bank browser, an item's versions, its quarantine and the reports on it."""

from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from quizzes import quarantine
from quizzes.bank_browser import Filters, choices, rows, status_of
from quizzes.bank_files import BankFileError
from quizzes.findings import Finding
from quizzes.inputs import ReplyInput, WhyInput
from quizzes.item_statistics import doubtful, item_statistics
from quizzes.item_versions import changes, spec_of
from quizzes.models import Item, ItemVersion, ProblemReport
from quizzes.publishing import all_findings
from quizzes.views.people import authors_only, person, wants_fragment

PAGE = 50


@authors_only
@never_cache
@require_GET
def bank(request: HttpRequest) -> HttpResponse:
    """The items with filters; findings of the linter on the files they come from."""
    filters = Filters.of(request.GET)
    today = timezone.now().date()
    found = rows(filters, today)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    chosen = {name: value for name, value in vars(filters).items() if value}
    shown = {
        "rows": page,
        "count": len(found),
        "filters": filters,
        "choices": choices(),
        "query": urlencode(chosen),
        "reports": ProblemReport.objects.filter(closed_at=None).select_related("item", "reporter")[:20],
    }
    if wants_fragment(request):
        return render(request, "quizzes/_bank_rows.html", shown)
    findings, problem = _findings()
    return render(request, "quizzes/author_bank.html", {**shown, "findings": findings, "problem": problem})


def _findings() -> tuple[list[Finding], str]:
    try:
        return all_findings(), ""
    except BankFileError as error:
        return [], str(error)


@authors_only
@never_cache
@require_GET
def item(request: HttpRequest, key: str) -> HttpResponse:
    """Everything that authors know about an item: statistics, versions with what changed, events and reports."""
    found = get_object_or_404(Item.objects.select_related("current", "objective", "exam"), key=key)
    versions = list(found.versions.prefetch_related("options").order_by("-number"))
    statistics = item_statistics([found.pk]).get(found.pk)
    options = list(found.current.options.all()) if found.current else []
    shown = {
        "item": found,
        "item_version": found.current,
        "status": status_of(found, timezone.now().date()),
        "statistics": statistics,
        "objections": doubtful([found], {found.pk: statistics} if statistics else {}).get(found.pk, []),
        "options": [
            (option, statistics.shares.get(option.position), statistics.options.get(option.position))
            for option in options
            if statistics
        ],
        "versions": [(version, _changes_to(versions, place)) for place, version in enumerate(versions)],
        "events": found.events.select_related("actor"),
        "reports": found.reports.select_related("reporter", "version", "closed_by"),
    }
    return render(request, "quizzes/author_item.html", shown)


def _changes_to(versions: list[ItemVersion], place: int) -> object:
    """What a version changed against the one before it; None for the first."""
    if place + 1 == len(versions):
        return None
    return changes(spec_of(versions[place + 1]), spec_of(versions[place]))


@authors_only
@require_POST
def switch_quarantine(request: HttpRequest, key: str, to: str) -> HttpResponse:
    """Take an item out of circulation by hand, or put it back; the reason is kept."""
    found = get_object_or_404(Item, key=key)
    given = WhyInput(request.POST)
    if not given.is_valid():
        messages.error(request, "Nothing was changed: say why in a few words.")
    elif to == "on":
        quarantine.quarantine(found, given.cleaned_data["why"], person(request))
        messages.success(request, "The item is not asked any more.")
    else:
        quarantine.release(found, given.cleaned_data["why"], person(request))
        messages.success(request, "The item is asked again; its statistics begin anew.")
    return redirect("author_item", key)


@authors_only
@require_POST
def close_report(request: HttpRequest, report_id: int) -> HttpResponse:
    """Answer a report; a closed one stays as it is."""
    report = get_object_or_404(ProblemReport.objects.select_related("item"), pk=report_id)
    given = ReplyInput(request.POST)
    if not given.is_valid():
        messages.error(request, "The answer is too long; 2,000 characters are possible.")
        return redirect("author_item", report.item.key)
    ProblemReport.objects.filter(pk=report.pk, closed_at=None).update(
        reply=given.cleaned_data["reply"], closed_at=timezone.now(), closed_by=person(request)
    )
    messages.success(request, "The report is closed.")
    return redirect("author_item", report.item.key)
