"""Correcting a key: what is right, who changes by that, the confirmation, how far the re-scoring is, and the way back."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from quizzes.bank_files import BankFileError
from quizzes.corrected_keys import right_in_force
from quizzes.key_fixes.corrections import Correction, NotFixable, fixable_version, prepare
from quizzes.key_fixes.fixing import fix_key as make_fix
from quizzes.key_fixes.fixing import reversal
from quizzes.key_fixes.inputs import ARRANGED, KeyFixInput, fields_of
from quizzes.key_fixes.preview import SAMPLE, preview
from quizzes.misconceptions import sentence_of
from quizzes.models import Item, ItemVersion, KeyFix, Kind
from quizzes.presented import ShownPart, filled_stem, parts_of
from quizzes.publishing import Conflict, Refused
from quizzes.views.people import authors_only, person, wants_fragment


@authors_only
@never_cache
@require_http_methods(["GET", "POST"])
def fix_key(request: HttpRequest, key: str) -> HttpResponse:
    """GET: what is right now. POST: who would change; with `confirm` in it the fix is made."""
    item = get_object_or_404(Item.objects.select_related("current", "objective", "exam"), key=key)
    try:
        version = fixable_version(item)
    except NotFixable as error:
        messages.error(request, str(error))
        return redirect("author_item", key)
    if request.method == "GET":
        return _form(request, item, version, KeyFixInput(version=version))
    given = KeyFixInput(request.POST, version=version)
    if not given.is_valid():
        return _form(request, item, version, given, status=422)
    try:
        if "confirm" in request.POST:
            return _confirmed(request, item, given)
        return _preview(request, item, version, given)
    except (NotFixable, BankFileError) as error:
        return _form(request, item, version, given, problem=str(error), status=422)


# --- what is right -------------------------------------------------------------------------------


def _form(
    request: HttpRequest, item: Item, version: ItemVersion, given: KeyFixInput, problem: str = "", status: int = 200
) -> HttpResponse:
    stem, stimulus = filled_stem(version, version.variants.first())
    shown = {
        "item": item,
        "stem": stem,
        "stimulus": stimulus,
        "form": given,
        "kind": version.kind,
        "parts": _parts(version, given),
        "matches": given.matches() if given.kind == Kind.MATCHING else [],
        "problem": problem,
        "beliefs": _beliefs(given),
        "fixes": KeyFix.objects.filter(item=item).select_related("actor", "to_version")[:10],
    }
    return render(request, "quizzes/key_fix.html", shown, status=status)


def _parts(version: ItemVersion, given: KeyFixInput) -> list[dict[str, Any]]:
    """The options, steps or pairs with what was typed, or with what stands there."""
    stands = fields_of(_standing(version, given), version)
    typed: Any = given.data if isinstance(given.data, QueryDict) else QueryDict()
    parts: list[dict[str, Any]] = []
    for number, part in enumerate(_shown(version)[: len(given.parts)], 1):
        names = {name: f"{name}_{number}" for name in ("rationale", "misconception", ARRANGED.get(given.kind, "keys"))}
        value = {name: typed.get(field, "") if given.is_bound else stands.get(field, [""])[0] for name, field in names.items()}
        errors: dict[str, Any] = {name: given.errors.get(field, []) for name, field in names.items()} if given.is_bound else {}
        chosen = typed.getlist("keys") if given.is_bound else stands.get("keys", [])
        parts.append(
            {
                **value,
                "number": number,
                "prompt": part.prompt,
                "text": part.text,
                "was_key": part.is_key,
                "is_key": str(number) in chosen,
                "chosen": value.get("place") or value.get("match") or "",
                "errors": errors.get("rationale", []),
                "place_errors": errors.get("place", []),
            }
        )
    return parts


def _standing(version: ItemVersion, given: KeyFixInput) -> Correction:
    """What is right now, as a correction that changes nothing."""
    rationales = tuple(option.rationale for option in given.parts)
    return Correction(tuple(right_in_force(version)), rationales, tuple(option.misconception for option in given.parts))


def _shown(version: ItemVersion) -> list[ShownPart]:
    """The parts in authoring order, filled in; pairs come before extra matches."""
    return parts_of(version, version.variants.first())


def _beliefs(given: KeyFixInput) -> list[tuple[str, str]]:
    """The beliefs that the item's parts stand for: (tag, sentence)."""
    return [(tag, sentence_of(tag)) for tag in dict.fromkeys(option.misconception for option in given.parts)]


# --- who changes ---------------------------------------------------------------------------------


def _preview(request: HttpRequest, item: Item, version: ItemVersion, given: KeyFixInput) -> HttpResponse:
    correction = given.correction()
    prepared = prepare(item, correction)
    fields = fields_of(correction, version)
    shown = {
        "item": item,
        "form": given,
        "kind": version.kind,
        "rows": _rows(version, correction),
        "fields": [(name, value) for name, values in fields.items() for value in values],
        "base": prepared.base_digest,
        "findings": prepared.findings,
        "errors": prepared.errors,
        "preview": preview(item, correction.right),
        "sample": SAMPLE,
    }
    return render(request, "quizzes/key_fix_preview.html", shown, status=422 if prepared.errors else 200)


def _rows(version: ItemVersion, correction: Correction) -> list[dict[str, Any]]:
    """What will be right, part by part, and what was."""
    parts = {part.position: part for part in _shown(version)}
    was, now = right_in_force(version), list(correction.right)
    if version.kind == Kind.ORDERING:
        return [{"text": parts[position].text, "place": n, "was": was.index(position) + 1} for n, position in enumerate(now, 1)]
    if version.kind == Kind.MATCHING:
        prompts = [part for part in parts.values() if part.prompt]
        pairs = zip(prompts, was, now, strict=True)
        return [{"prompt": part.prompt, "text": parts[new].text, "was": parts[old].text} for part, old, new in pairs]
    return [{"text": part.text, "is_key": position in now, "was_key": position in was} for position, part in parts.items()]


def _confirmed(request: HttpRequest, item: Item, given: KeyFixInput) -> HttpResponse:
    fields = given.cleaned_data
    try:
        fix = make_fix(item, given.correction(), fields["base"], fields["reason"], person(request))
    except (Conflict, Refused) as error:
        if isinstance(error, Conflict):
            messages.error(
                request, "Somebody else has changed the item since you saw the preview; nothing was changed. Look again."
            )
            return redirect("fix_key", item.key)
        raise NotFixable(f"The linter has errors: {error}") from None
    return redirect("key_fix", fix.pk)


# --- how far it is, and the way back -------------------------------------------------------------


@authors_only
@never_cache
@require_GET
def key_fix(request: HttpRequest, fix_id: int) -> HttpResponse:
    """How far the re-scoring is; polled while it goes on."""
    fix = get_object_or_404(KeyFix.objects.select_related("item__current", "actor", "to_version"), pk=fix_id)
    shown: dict[str, Any] = {"fix": fix, "is_waiting": fix.state != KeyFix.State.DONE}
    if wants_fragment(request):
        return render(request, "quizzes/_key_fix_state.html", shown)
    back = reversal(fix)
    if back is not None:
        fields = fields_of(back, fix.to_version)
        shown["back"] = [(name, value) for name, values in fields.items() for value in values]
        shown["back_reason"] = f"The correction of {fix.created_at:%-d %B %Y} is taken back: {fix.reason}"[:1000]
    return render(request, "quizzes/key_fix_run.html", shown)
