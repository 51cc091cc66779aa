"""The bank browser: every item with its version and what the linter says about it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from quizzes.bank_files import BankFileError, read_banks, read_catalogue
from quizzes.lint import lint
from quizzes.models import Item
from quizzes.views.people import authors_only


@authors_only
@require_GET
def bank(request: HttpRequest) -> HttpResponse:
    """Items in circulation beside the findings on the files they come from."""
    folder = settings.FIXTURES_DIR / "banks"
    today = timezone.now().date()
    try:
        findings, problem = lint(read_banks(folder), read_catalogue(folder), today), ""
    except BankFileError as error:
        findings, problem = [], str(error)
    items = Item.objects.select_related("current", "objective").prefetch_related("current__options").order_by("bank", "key")
    shown = {"items": items, "findings": findings, "problem": problem, "today": today}
    return render(request, "quizzes/author_bank.html", shown)
