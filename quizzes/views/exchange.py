"""Import and export of items: the form, the dry run, its confirmation, and files with their loss report."""

from io import BytesIO
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from quizzes.bank_browser import Filters, choices
from quizzes.exchange_inputs import ConfirmInput, ImportInput
from quizzes.interchange import exporting, importing
from quizzes.interchange.formats import FORMATS, MAX_ITEMS, MAX_UPLOAD_BYTES
from quizzes.interchange.plans import STATES, Plan
from quizzes.models import Exam, ImportRun, Item, Objective
from quizzes.publishing import readable_banks
from quizzes.views.people import authors_only, own_import, person, wants_fragment

PAGE = 50
_WAITING = {ImportRun.State.QUEUED, ImportRun.State.READING, ImportRun.State.CONFIRMED, ImportRun.State.STORING}


# --- import --------------------------------------------------------------------------------------


@authors_only
@never_cache
@require_http_methods(["GET", "POST"])
def import_items(request: HttpRequest) -> HttpResponse:
    """Choose a file; POST keeps it and begins the dry run."""
    given = ImportInput(
        request.POST or None,
        request.FILES or None,
        banks=[(bank.slug, bank.title) for bank in readable_banks()],
        exams=list(Exam.objects.values_list("slug", "name")),
        objectives=list(Objective.objects.order_by("name").values_list("slug", "name")),
        today=timezone.now().date(),
    )
    if request.method == "POST" and given.is_valid():
        file = given.cleaned_data["file"]
        run = importing.begin(person(request), file.name or "file", file.read(), given.cleaned_data["format"], given.wishes())
        return redirect("import_run", run.pk)
    shown = {
        "form": given,
        "runs": ImportRun.objects.filter(user=person(request))[:10],
        "limit_mb": MAX_UPLOAD_BYTES // 2**20,
        "limit_items": MAX_ITEMS,
    }
    return render(request, "quizzes/import.html", shown, status=422 if given.errors else 200)


@authors_only
@never_cache
@require_GET
def import_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """How far the import is; then the dry run's plan, item by item."""
    run = own_import(person(request), run_id)
    plan = importing.plan_of(run)
    template = "quizzes/_import_state.html" if wants_fragment(request) else "quizzes/import_run.html"
    return render(request, template, _run_view(request, run, plan))


def _run_view(request: HttpRequest, run: ImportRun, plan: Plan) -> dict[str, Any]:
    state = request.GET.get("state", "")
    entries = [entry for entry in plan.entries if state not in STATES or entry.state == state]
    return {
        "run": run,
        "form_name": FORMATS[run.format].name,
        "wishes": importing.wishes_of(run),
        "plan": plan,
        "counts": [(name, plan.count(name)) for name in STATES],
        "refused": plan.count("refused"),
        "stored": plan.count("new") + plan.count("changed"),
        "entries": Paginator(entries, PAGE).get_page(request.GET.get("page")),
        "state": state if state in STATES else "",
        "is_waiting": run.state in _WAITING,
        "is_planned": run.state == ImportRun.State.PLANNED,
    }


@authors_only
@require_POST
def confirm_import(request: HttpRequest, run_id: int) -> HttpResponse:
    """Store what the dry run has shown."""
    run = own_import(person(request), run_id)
    given = ConfirmInput(request.POST)
    wants_others = given.is_valid() and bool(given.cleaned_data["without_refused"])
    if not importing.confirm(run, without_refused=wants_others):
        messages.error(
            request, "Nothing was stored. Some items are refused: tick that the others are to be imported without them."
        )
    return redirect("import_run", run.pk)


@authors_only
@require_POST
def discard_import(request: HttpRequest, run_id: int) -> HttpResponse:
    """Forget the file."""
    importing.discard(own_import(person(request), run_id))
    messages.success(request, "The file is deleted; nothing was stored.")
    return redirect("import_items")


# --- export --------------------------------------------------------------------------------------


@authors_only
@never_cache
@require_GET
def export_items(request: HttpRequest) -> HttpResponse:
    """Choose items and a format; the report of what gets lost stands beside the download."""
    filters, key, form = _choice(request)
    today = timezone.now().date()
    items = exporting.chosen(filters, key, today)
    shown: dict[str, Any] = {
        "filters": filters,
        "key": key,
        "choices": choices(),
        "formats": exporting.WRITTEN,
        "format": form,
        "query": _query(filters, key, form.slug if form else ""),
        "count": len(items),
        "limit": MAX_ITEMS if exporting.too_many(items) else 0,
    }
    if form is not None and items and not shown["limit"]:
        made = exporting.exported(items, form, today, _name(filters, key))
        shown |= {"made": made, "losses": exporting.losses(made.report), "size": len(made.data)}
    template = "quizzes/_export_result.html" if wants_fragment(request) else "quizzes/export.html"
    return render(request, template, shown)


@authors_only
@never_cache
@require_GET
def export_file(request: HttpRequest, what: str) -> HttpResponse:
    """The file itself, or its loss report as a text."""
    filters, key, form = _choice(request)
    today = timezone.now().date()
    items = exporting.chosen(filters, key, today)
    if form is None or not items or exporting.too_many(items):
        raise Http404
    made = exporting.exported(items, form, today, _name(filters, key))
    if what == "losses":
        text = "".join(f"{line.level}: {line.where}: {line.message}\n" for line in made.report.lines)
        return _attachment(text.encode(), f"{made.name}.losses.txt", "text/plain; charset=utf-8")
    return _attachment(made.data, made.name, form.content_type)


def _attachment(data: bytes, name: str, content_type: str) -> HttpResponse:
    response = FileResponse(BytesIO(data), as_attachment=True, filename=name, content_type=content_type)
    return cast(HttpResponse, response)  # it streams, and goes through the same decorators


def _choice(request: HttpRequest) -> tuple[Filters, str, Any]:
    """(filters, key of the one item or empty, format or None)."""
    key = request.GET.get("key", "")[:80]
    if key and not Item.objects.filter(key=key).exclude(current=None).exists():
        raise Http404
    form = FORMATS.get(request.GET.get("format", ""))
    return Filters.of(request.GET), key, form if form is not None and form.write is not None else None


def _query(filters: Filters, key: str, form: str) -> str:
    given = {**vars(filters), "key": key, "format": form}
    return urlencode({name: value for name, value in given.items() if value})


def _name(filters: Filters, key: str) -> str:
    if key:
        return key
    return "selection" if any(vars(filters).values()) else "items"
