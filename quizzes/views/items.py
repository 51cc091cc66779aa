"""One item after it was answered: rationales, sources, and the replay of its proofs."""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from quizzes import progress, replays
from quizzes.misconceptions import sentence_of
from quizzes.models import Item, Option, ProofRun
from quizzes.views.people import own_proof_run, person, wants_fragment
from sandbox.public import Person


@dataclass(frozen=True)
class ShownOption:
    """An option with all that is known about it; `run` is what the fragment of its latest replay shows."""

    option: Option
    misconception: str
    was_chosen: bool
    run: dict[str, Any] | None


SEES_ALL = {"instructor", "author"}


@login_required
@never_cache
@require_GET
def item(request: HttpRequest, item_id: int) -> HttpResponse:
    """Everything about the item's current version; before the answer only the stem and where to answer it."""
    user = person(request)
    found = get_object_or_404(Item.objects.select_related("current", "objective"), pk=item_id)
    if not _may_see(user, found):
        return render(request, "quizzes/item_closed.html", {"item": found, "stem": found.current.stem if found.current else ""})
    runs = _latest_runs(user, found)
    chosen = progress.chosen_options(user, found.pk)
    options = [
        ShownOption(option, sentence_of(option.misconception), option.pk in chosen, runs.get(option.pk))
        for option in (found.current.options.all() if found.current else [])
    ]
    has_proofs = any(entry.option.proof for entry in options)
    shown = {"item": found, "item_version": found.current, "options": options, "has_proofs": has_proofs}
    return render(request, "quizzes/item.html", shown)


@login_required
@require_POST
def prove(request: HttpRequest, option_id: int) -> HttpResponse:
    """Queue a replay of the option's proof in the asker's own workspace."""
    user = person(request)
    option = get_object_or_404(Option.objects.select_related("version__item"), pk=option_id)
    if not option.proof or not _may_see(user, option.version.item):
        raise Http404
    run = replays.request_replay(user, option)
    if wants_fragment(request):
        return render(request, "quizzes/_proof_run.html", proof_view(run))
    return redirect(f"{_address(option)}#proof-{option.pk}")


@login_required
@never_cache
@require_GET
def proof_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """The state of a replay: polled while it runs, a page of its own without htmx."""
    run = replays.expire_if_stuck(own_proof_run(person(request), run_id))
    template = "quizzes/_proof_run.html" if wants_fragment(request) else "quizzes/proof_run.html"
    return render(request, template, proof_view(run))


def proof_view(run: ProofRun) -> dict[str, Any]:
    """What the fragment of a replay shows."""
    rows = run.observation.get("rows") or []
    return {
        "run": run,
        "option": run.option,
        "item": run.option.version.item,
        "is_waiting": run.state in {ProofRun.State.QUEUED, ProofRun.State.RUNNING},
        "exchanges": [_readable(exchange) for exchange in run.observation.get("exchanges") or []],
        "comparisons": run.observation.get("comparisons") or [],
        "columns": list(rows[0]) if rows else [],
        "rows": [list(row.values()) for row in rows],
    }


def _readable(exchange: dict[str, Any]) -> dict[str, Any]:
    """The exchange with JSON bodies indented; what is no JSON (or was cut) stays as it is."""
    return {
        **exchange,
        "request_body": _indented(exchange["request_body"]),
        "response_body": _indented(exchange["response_body"]),
    }


def _indented(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


def _address(option: Option) -> str:
    return reverse("item", args=[option.version.item_id])


def _may_see(user: Person, item: Item) -> bool:
    return user.role in SEES_ALL or progress.has_answered(user, item.pk)


def _latest_runs(user: Person, item: Item) -> dict[int, dict[str, Any]]:
    """The newest replay of each option, ready for its fragment, by option id."""
    runs = ProofRun.objects.filter(user=user, option__version__item=item).select_related("option__version__item").order_by("pk")
    return {run.option_id: proof_view(run) for run in runs}
