"""One item after it was answered: rationales, sources, the replay of its proofs, and a word to its authors."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from quizzes import progress, replays
from quizzes.inputs import ReportInput
from quizzes.misconceptions import sentence_of
from quizzes.models import Item, ItemVariant, ItemVersion, Kind, Option, ProblemReport, ProofRun
from quizzes.presented import ShownPart, filled_stem, parts_of
from quizzes.proofs.targets import Target, version_of
from quizzes.views.people import own_proof_run, person, wants_fragment
from quizzes.views.proof_runs import proof_view, prove_url
from sandbox.public import Person


@dataclass(frozen=True)
class ProofBox:
    """Where a replay is started, and what the fragment of the latest one shows; `run` is None before the first."""

    url: str
    label: str
    run: dict[str, Any] | None


@dataclass(frozen=True)
class ShownOption:
    """An option, step or pair with all that is known about it."""

    part: ShownPart
    misconception: str
    was_chosen: bool
    proof: ProofBox | None


SEES_ALL = {"instructor", "author", "operator"}


@login_required
@never_cache
@require_GET
def item(request: HttpRequest, item_id: int) -> HttpResponse:
    """Everything about the item's current version; before the answer only the stem and where to answer it."""
    return render_item(request, item_id, ReportInput())


@login_required
@require_POST
def report(request: HttpRequest, item_id: int) -> HttpResponse:
    """Tell the authors that something is wrong with an item that one has answered."""
    user = person(request)
    found = get_object_or_404(Item.objects.select_related("current"), pk=item_id)
    if not _may_see(user, found) or found.current is None:
        raise Http404
    given = ReportInput(request.POST)
    if not given.is_valid():
        return render_item(request, item_id, given)
    ProblemReport.objects.create(item=found, version=found.current, reporter=user, text=given.cleaned_data["text"])
    messages.success(request, "Thank you. The authors see your report beside the item; their answer will be shown here.")
    return redirect(f"{reverse('item', args=[found.pk])}#report")


@login_required
@require_POST
def prove(request: HttpRequest, kind: str, target_id: int) -> HttpResponse:
    """Queue a replay of a proof in the asker's own workspace."""
    user = person(request)
    target = _target(kind, target_id)
    version = version_of(target)
    has_proof = target.version.proof if isinstance(target, ItemVariant) else target.proof
    if not has_proof or not _may_see(user, version.item):
        raise Http404
    run = replays.request_replay(user, target)
    if wants_fragment(request):
        return render(request, "quizzes/_proof_run.html", proof_view(run))
    return redirect(f"{reverse('item', args=[version.item_id])}#proof-{kind}-{target.pk}")


@login_required
@never_cache
@require_GET
def proof_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """The state of a replay: polled while it runs, a page of its own without htmx."""
    run = replays.expire_if_stuck(own_proof_run(person(request), run_id))
    template = "quizzes/_proof_run.html" if wants_fragment(request) else "quizzes/proof_run.html"
    return render(request, template, proof_view(run))


def render_item(request: HttpRequest, item_id: int, form: ReportInput) -> HttpResponse:
    """The item's page, with the report that is being written."""
    user = person(request)
    found = get_object_or_404(Item.objects.select_related("current", "objective", "exam"), pk=item_id)
    version = found.current
    if version is None or not _may_see(user, found):
        return render(request, "quizzes/item_closed.html", {"item": found, "stem": _closed_stem(version)})
    variant = _variant(user, version, request.GET.get("variant", ""))
    stem, stimulus = filled_stem(version, variant)
    runs = _latest_runs(user, version)
    chosen = progress.chosen_positions(user, version)
    options = [_shown(part, part.position in chosen, runs) for part in parts_of(version, variant)]
    whole: Target | None = variant or (version if version.proof and version.kind == Kind.ORDERING else None)
    shown = {
        "item": found,
        "item_version": version,
        "stem": stem,
        "stimulus": stimulus,
        "options": [option for option in options if option.part.rationale],
        "extra": [option.part.text for option in options if not option.part.rationale],
        "whole": _box(whole, "Prove it", runs) if whole else None,
        "variant": variant,
        "variants": list(version.variants.all()) if user.role in SEES_ALL else [],
        "has_proofs": whole is not None or any(option.proof for option in options),
        "form": form,
        "reports": ProblemReport.objects.filter(item=found, reporter=user),
        "is_author": user.role in {"author", "operator"},
    }
    return render(request, "quizzes/item.html", shown, status=422 if form.errors else 200)


def _closed_stem(version: ItemVersion | None) -> str:
    """The stem without a variant's values says too little; the first variant's are as good as any."""
    return filled_stem(version, version.variants.first())[0] if version else ""


def _target(kind: str, target_id: int) -> Target:
    if kind == "options":
        option: Option = get_object_or_404(Option.objects.select_related("version__item"), pk=target_id)
        return option
    if kind == "variants":
        variant: ItemVariant = get_object_or_404(ItemVariant.objects.select_related("version__item"), pk=target_id)
        return variant
    version: ItemVersion = get_object_or_404(ItemVersion.objects.select_related("item").filter(kind=Kind.ORDERING), pk=target_id)
    return version


def _variant(user: Person, version: ItemVersion, asked: str) -> ItemVariant | None:
    """Who sees all may choose one; a learner sees the one that she met last."""
    if user.role in SEES_ALL and asked.isascii() and asked.isdigit() and len(asked) < 4:
        return get_object_or_404(ItemVariant, version=version, number=int(asked))
    met = ItemVariant.objects.filter(version=version, attempt_items__attempt__user=user).exclude(attempt_items__responses=None)
    found: ItemVariant | None = met.order_by("-attempt_items__pk").first() or version.variants.first()
    return found


def _shown(part: ShownPart, was_chosen: bool, runs: dict[str, dict[str, Any]]) -> ShownOption:
    box = None
    if part.proof:
        url = reverse("prove", args=["options", part.pk])
        box = ProofBox(url, "Prove it" if part.is_key else "Show that it fails", runs.get(url))
    return ShownOption(part, sentence_of(part.misconception), was_chosen, box)


def _box(target: Target, label: str, runs: dict[str, dict[str, Any]]) -> ProofBox:
    url = prove_url(target)
    return ProofBox(url, label, runs.get(url))


def _may_see(user: Person, item: Item) -> bool:
    return user.role in SEES_ALL or progress.has_answered(user, item.pk)


def _latest_runs(user: Person, version: ItemVersion) -> dict[str, dict[str, Any]]:
    """The newest replay of each part, ready for its fragment, by the address that starts it."""
    related = ProofRun.objects.select_related("option__version__item", "version__item", "variant__version__item")
    of_item = related.filter(user=user).order_by("pk")
    runs = [
        *of_item.filter(option__version=version),
        *of_item.filter(version=version),
        *of_item.filter(variant__version=version),
    ]
    return {prove_url(run.target): proof_view(run) for run in runs}
