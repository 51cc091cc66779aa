"""The author's editor: YAML on one side; on the other the item as it will be asked, the linter's words and its proofs."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from quizzes import draft_proofs
from quizzes.bank_files import BankFileError, bank_paths, read_bank
from quizzes.inputs import DraftInput, NewItemInput
from quizzes.item_skeletons import skeleton
from quizzes.item_specs import ItemSpec
from quizzes.misconceptions import sentence_of
from quizzes.models import DraftProof, Item
from quizzes.placeholders import BadConstraint, combinations, fill
from quizzes.publishing import Checked, Conflict, Draft, Refused, banks_folder, check, publish, stored_block
from quizzes.variant_files import read_variants, recorded_for
from quizzes.views.drafts import FORM, YAML, Typed, form_view, opened, typed
from quizzes.views.people import authors_only, own_draft_proof, person, wants_fragment


@authors_only
@never_cache
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, key: str) -> HttpResponse:
    """The editor of an item that exists; POST publishes the draft."""
    item = get_object_or_404(Item, key=key)
    if request.method == "POST":
        return _publish(request, item.bank, key, is_new=False)
    try:
        block = stored_block(item.bank, key)
    except BankFileError as error:
        messages.error(request, f"The item cannot be edited here: {error}")
        return redirect("author_item", key)
    draft = Draft(item.bank, key, block.text)
    found = Typed(draft) if request.GET.get("view") == YAML else opened(draft)
    return _editor(request, found, block.digest)


@authors_only
@never_cache
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Choose key, bank and kind; then the editor with what such an item needs."""
    given = NewItemInput(request.POST or None)
    banks = _bank_choices()
    if request.method == "POST" and given.is_valid() and given.cleaned_data["bank"] in dict(banks):
        fields = given.cleaned_data
        text = skeleton(fields["key"], fields["kind"], timezone.now().date())
        return _editor(request, opened(Draft(fields["bank"], fields["key"], text, is_new=True)), "")
    shown = {"form": given, "banks": banks}
    return render(request, "quizzes/author_new.html", shown, status=422 if given.errors else 200)


@authors_only
@require_POST
def create(request: HttpRequest, key: str) -> HttpResponse:
    """Publish a new item."""
    given = DraftInput(request.POST)
    bank = given.cleaned_data.get("bank", "") if given.is_valid() else ""
    return _publish(request, bank, key, is_new=True)


@authors_only
@never_cache
@require_POST
def redraw(request: HttpRequest, key: str) -> HttpResponse:
    """The editor with what was typed so far: in the other view, or with an option added, moved or removed."""
    found, base = typed(request, key), str(request.POST.get("base", ""))
    view = request.POST.get("view", "")
    if view == YAML and not found.problem:
        found = Typed(found.draft, lost_comments=found.lost_comments)
    elif view == FORM:
        found = opened(found.draft)
        if found.form is None and not found.problem:
            found.problem = "Items of this kind are written as YAML; the form is for questions whose options are chosen."
    found.errors = {}
    return _editor(request, found, base, problem=found.problem)


@authors_only
@never_cache
@require_POST
def preview(request: HttpRequest, key: str) -> HttpResponse:
    """The draft as it would be asked, with the linter's findings; asked for while the author types."""
    found = typed(request, key)
    shown = {**_shown(check(found.draft, thorough=False)), "problem": found.problem, "lost_comments": found.lost_comments}
    return render(request, "quizzes/_draft_preview.html", shown)


@authors_only
@require_POST
def prove_draft(request: HttpRequest, key: str) -> HttpResponse:
    """Run all proofs of the draft in the author's own workspace."""
    found = typed(request, key)
    checked = check(found.draft, thorough=False)
    if found.problem or checked.spec is None:
        problem = found.problem or "The draft cannot be read yet; see the findings."
        return render(request, "quizzes/_draft_proof.html", {"problem": problem})
    run = draft_proofs.request_draft_proof(person(request), key, checked.bank_text)
    if not wants_fragment(request):
        return redirect("draft_proof", run.pk)
    return render(request, "quizzes/_draft_proof.html", _proof_view(run))


@authors_only
@never_cache
@require_GET
def draft_proof(request: HttpRequest, run_id: int) -> HttpResponse:
    """The state of a run: polled while it goes on, a page of its own without htmx."""
    run = draft_proofs.expire_if_stuck(own_draft_proof(person(request), run_id))
    template = "quizzes/_draft_proof.html" if wants_fragment(request) else "quizzes/draft_proof.html"
    return render(request, template, _proof_view(run))


def _publish(request: HttpRequest, bank: str, key: str, *, is_new: bool) -> HttpResponse:
    """Write and load the draft; a conflict or an error shows it again, with nothing lost."""
    found, base = typed(request, key, bank, is_new=is_new), str(request.POST.get("base", ""))
    draft = found.draft
    if found.problem or found.errors:
        problem = found.problem or "Nothing was written: look at the fields that are marked."
        return _editor(request, found, base, problem=problem)
    try:
        item = publish(draft, base, person(request), {key: _computed(request, draft)})
    except Conflict as conflict:
        theirs = conflict.theirs
        shown = {"key": key, "draft": draft, "theirs": theirs, "base": theirs.digest if theirs else ""}
        return render(request, "quizzes/author_conflict.html", shown, status=409)
    except Refused:
        return _editor(request, found, base, problem="Nothing was written: the linter has errors.")
    except BankFileError as error:
        return _editor(request, found, base, problem=str(error))
    number = item.current.number if item.current else 0
    messages.success(request, f"Written to the bank file and loaded; it is version {number}.")
    return redirect("author_item", key)


def _computed(request: HttpRequest, draft: Draft) -> list[Any]:
    """What the author's last proof run computed, if it was of exactly this draft."""
    run = DraftProof.objects.filter(user=person(request), item_key=draft.key).first()
    if run is None or run.bank_text != check(draft, thorough=False).bank_text:
        return []
    return draft_proofs.computed_by(run)


def _editor(request: HttpRequest, found: Typed, base: str, problem: str = "") -> HttpResponse:
    draft, checked = found.draft, check(found.draft)
    last = DraftProof.objects.filter(user=person(request), item_key=draft.key).first()
    shown = {
        **_shown(checked),
        **form_view(found, checked.findings if problem else []),
        "key": draft.key,
        "draft": draft,
        "base": base,
        "problem": problem or found.problem,
        "lost_comments": found.lost_comments,
    }
    proof = _proof_view(last) if last and not draft.is_new else {}
    return render(request, "quizzes/author_edit.html", {**shown, "last_proof": proof}, status=422 if problem else 200)


def _shown(checked: Checked) -> dict[str, Any]:
    """Findings and preview of a draft; placeholders of a computed item show the values of its first combination."""
    if checked.spec is None:
        return {"findings": checked.findings, "spec": None}
    parameters, facts = _first_values(checked.spec)

    def filled(text: str) -> str:
        return fill(text, parameters, facts)

    spec = checked.spec
    parts = [
        {
            "number": number,
            "prompt": option.prompt,
            "text": filled(option.text),
            "is_key": option.is_key and spec.is_choice,
            "rationale": filled(option.rationale),
            "belief": sentence_of(option.misconception) if option.misconception else "",
            "has_proof": option.proof is not None,
        }
        for number, option in enumerate(spec.options, 1)
    ]
    stimulus = (
        {"language": spec.stimulus.language, "caption": spec.stimulus.caption, "code": filled(spec.stimulus.code)}
        if (spec.stimulus)
        else {}
    )
    return {"findings": checked.findings, "spec": spec, "stem": filled(spec.stem), "stimulus": stimulus, "parts": parts}


def _first_values(spec: ItemSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, facts) of the first combination; facts only where they are recorded for this wording."""
    recorded = recorded_for(spec, read_variants(banks_folder()))
    if recorded:
        return dict(recorded[0].parameters), dict(recorded[0].facts)
    try:
        found = combinations(spec.parameters, spec.constraints)
    except BadConstraint:
        found = []
    return (found[0] if found else {}), {}


def _proof_view(run: DraftProof) -> dict[str, Any]:
    waiting = run.state in {DraftProof.State.QUEUED, DraftProof.State.RUNNING}
    return {"run": run, "is_waiting": waiting, "problem": ""}


def _bank_choices() -> list[tuple[str, str]]:
    """(slug, title) of the banks that can be read."""
    found = []
    for path in bank_paths(banks_folder()):
        try:
            bank = read_bank(path)
        except BankFileError:
            continue
        found.append((bank.slug, bank.title))
    return found
