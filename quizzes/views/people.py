"""Who asks, and what she may see: every look-up of somebody's object is scoped here, and a stranger gets a 404."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from quizzes.models import Attempt, Cohort, DraftProof, ImportRun, LabRun, ProofRun
from sandbox.public import Person

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def person(request: HttpRequest) -> Person:
    """The signed-in user."""
    return cast(Person, request.user)


def instructors_only(view: View[P]) -> View[P]:
    """Signed in, and an instructor; another role is told so with 403."""

    @wraps(view)
    def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if person(request).role != "instructor":
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return cast(Any, login_required(checked))  # type: ignore[no-any-return]  # the decorator keeps no signature


def authors_only(view: View[P]) -> View[P]:
    """Signed in, and an author or operator; another role is told so with 403."""

    @wraps(view)
    def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if person(request).role not in {"author", "operator"}:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return cast(Any, login_required(checked))  # type: ignore[no-any-return]  # the decorator keeps no signature


def own_attempt(user: Person, attempt_id: int) -> Attempt:
    """An attempt that the user sits."""
    return get_object_or_404(Attempt, pk=attempt_id, user=user)


def readable_attempt(user: Person, attempt_id: int) -> Attempt:
    """An attempt whose result the user may read: her own, or that of a member of a cohort that she leads."""
    mine = Q(user=user) | Q(user__enrolments__cohort__instructor=user)
    return get_object_or_404(Attempt.objects.select_related("user").filter(mine).distinct(), pk=attempt_id)


def led_cohort(user: Person, cohort_id: int) -> Cohort:
    """A cohort that the user leads."""
    return get_object_or_404(Cohort, pk=cohort_id, instructor=user)


def own_lab_run(user: Person, run_id: int) -> LabRun:
    """A lab run of the user's own."""
    return get_object_or_404(LabRun.objects.select_related("lab", "user"), pk=run_id, user=user)


_PROOF_RUNS = ProofRun.objects.select_related("option__version__item", "version__item", "variant__version__item")


def own_proof_run(user: Person, run_id: int) -> ProofRun:
    """A proof replay of the user's own."""
    return get_object_or_404(_PROOF_RUNS, pk=run_id, user=user)


def own_draft_proof(user: Person, run_id: int) -> DraftProof:
    """A proof run of a draft of the user's own."""
    return get_object_or_404(DraftProof, pk=run_id, user=user)


def own_import(user: Person, run_id: int) -> ImportRun:
    """An import of the user's own."""
    return get_object_or_404(ImportRun, pk=run_id, user=user)


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page; going back in the history asks for all of it."""
    htmx = cast(HtmxDetails, request.htmx)  # type: ignore[attr-defined]  # set by HtmxMiddleware
    return bool(htmx) and not htmx.history_restore_request
