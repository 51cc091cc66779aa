"""Correcting a key: what is right, who changes by that, the confirmation, and how far the re-scoring is."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from quizzes import key_fixes
from quizzes.bank_files import BankFileError
from quizzes.exchange_inputs import KeyFixInput
from quizzes.key_fixes import Correction, NotFixable
from quizzes.misconceptions import sentence_of
from quizzes.models import Item, ItemVersion, KeyFix, Option
from quizzes.publishing import Conflict, Refused
from quizzes.views.people import authors_only, person, wants_fragment


@authors_only
@never_cache
@require_http_methods(["GET", "POST"])
def fix_key(request: HttpRequest, key: str) -> HttpResponse:
    """GET: what is right now. POST: who would change; with `confirm` in it the fix is made."""
    item = get_object_or_404(Item.objects.select_related("current", "objective", "exam"), key=key)
    try:
        version = key_fixes.fixable_version(item)
    except NotFixable as error:
        messages.error(request, str(error))
        return redirect("author_item", key)
    options = list(version.options.all())
    if request.method == "GET":
        return _form(request, item, version, KeyFixInput(count=len(options), wanted=_wanted(options)))
    given = KeyFixInput(request.POST, count=len(options), wanted=_wanted(options))
    if not given.is_valid():
        return _form(request, item, version, given, status=422)
    try:
        if "confirm" in request.POST:
            return _confirmed(request, item, given)
        return _preview(request, item, version, given)
    except (NotFixable, BankFileError) as error:
        return _form(request, item, version, given, problem=str(error), status=422)


def _wanted(options: list[Option]) -> int:
    return sum(option.is_key for option in options)


def _correction(given: KeyFixInput) -> Correction:
    fields = given.cleaned_data
    count = sum(name.startswith("rationale_") for name in fields)
    return Correction(
        tuple(sorted(int(key) for key in fields["keys"])),
        tuple(fields[f"rationale_{number}"] for number in range(1, count + 1)),
        tuple(fields[f"misconception_{number}"] for number in range(1, count + 1)),
    )


def _form(
    request: HttpRequest, item: Item, version: ItemVersion, given: KeyFixInput, problem: str = "", status: int = 200
) -> HttpResponse:
    shown = {
        "item": item,
        "item_version": version,
        "form": given,
        "parts": _parts(version, given),
        "is_single": version.kind == "single",
        "problem": problem,
        "beliefs": _beliefs(version),
        "fixes": KeyFix.objects.filter(item=item).select_related("actor", "to_version")[:10],
    }
    return render(request, "quizzes/key_fix.html", shown, status=status)


def _parts(version: ItemVersion, given: KeyFixInput) -> list[dict[str, Any]]:
    """The options with what was typed, or what stands there."""
    chosen = given.data.getlist("keys") if given.is_bound and hasattr(given.data, "getlist") else None
    parts: list[dict[str, Any]] = []
    for number, option in enumerate(version.options.all(), 1):
        named = f"rationale_{number}"
        parts.append(
            {
                "number": number,
                "text": option.text,
                "was_key": option.is_key,
                "is_key": option.is_key if chosen is None else str(number) in chosen,
                "rationale": given.data.get(named, "") if given.is_bound else option.rationale,
                "misconception": given.data.get(f"misconception_{number}", "") if given.is_bound else option.misconception,
                "errors": given.errors.get(named, []) if given.is_bound else [],
            }
        )
    return parts


def _beliefs(version: ItemVersion) -> list[tuple[str, str]]:
    """The beliefs that the item's options stand for: (tag, sentence)."""
    tags = dict.fromkeys(option.misconception for option in version.options.all())
    return [(tag, sentence_of(tag)) for tag in tags]


def _preview(request: HttpRequest, item: Item, version: ItemVersion, given: KeyFixInput) -> HttpResponse:
    correction = _correction(given)
    prepared = key_fixes.prepare(item, correction)
    shown = {
        "item": item,
        "item_version": version,
        "form": given,
        "parts": _parts(version, given),
        "base": prepared.base_digest,
        "findings": prepared.findings,
        "errors": prepared.errors,
        "preview": key_fixes.preview(item, correction.keys),
        "sample": key_fixes.SAMPLE,
    }
    return render(request, "quizzes/key_fix_preview.html", shown, status=422 if prepared.errors else 200)


def _confirmed(request: HttpRequest, item: Item, given: KeyFixInput) -> HttpResponse:
    fields = given.cleaned_data
    try:
        fix = key_fixes.fix_key(item, _correction(given), fields["base"], fields["reason"], person(request))
    except (Conflict, Refused) as error:
        if isinstance(error, Conflict):
            messages.error(
                request, "Somebody else has changed the item since you saw the preview; nothing was changed. Look again."
            )
            return redirect("fix_key", item.key)
        raise NotFixable(f"The linter has errors: {error}") from None
    return redirect("key_fix", fix.pk)


@authors_only
@never_cache
@require_GET
def key_fix(request: HttpRequest, fix_id: int) -> HttpResponse:
    """How far the re-scoring is; polled while it goes on."""
    fix = get_object_or_404(KeyFix.objects.select_related("item", "actor", "to_version"), pk=fix_id)
    template = "quizzes/_key_fix_state.html" if wants_fragment(request) else "quizzes/key_fix_run.html"
    return render(request, template, {"fix": fix, "is_waiting": fix.state != KeyFix.State.DONE})
