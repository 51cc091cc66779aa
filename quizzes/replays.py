"""Replays of proofs in a learner's workspace: request one, run it in the background, say how it went."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from time import monotonic

from django.db import transaction
from django.utils import timezone

from quizzes.models import DraftProof, ItemVariant, LabRun, Option, ProofRun
from quizzes.proofs.access import client_for
from quizzes.proofs.programs import PROGRAMS
from quizzes.proofs.run import run_proof
from quizzes.proofs.targets import Target, must_hold, proof_of
from quizzes.queue import QueueAway, enqueue
from sandbox import public

log = logging.getLogger(__name__)

MAX_RUNNING = 3
"""Replays wait for rollouts, which need threads of the same control worker (8): leave it most of them."""
LONGEST_RUN = timedelta(minutes=5)
_FIELDS: dict[type, str] = {Option: "option", ItemVariant: "variant"}
"""Fields of ProofRun by what is replayed; an ordering's version is the third."""
TASK = "quizzes.replay_proof"
TELL_EVERY_S = 0.4
NOT_YOURS = "The replay could not be started: the site's background worker cannot be reached. Try again in a moment."


def request_replay(user: public.Person, target: Target) -> ProofRun:
    """Queue a replay; one that is under way for the same thing is returned instead."""
    what = {_FIELDS.get(type(target), "version"): target}
    with transaction.atomic():
        under_way = [ProofRun.State.QUEUED, ProofRun.State.RUNNING]
        recent = timezone.now() - LONGEST_RUN
        existing = ProofRun.objects.filter(user=user, **what, state__in=under_way, created_at__gt=recent).first()
        if existing is not None:
            return existing
        run = ProofRun.objects.create(user=user, **what, message="Waiting for the background worker.")
    try:
        enqueue(TASK, run.pk)
    except QueueAway:
        _finish(run, ProofRun.State.ERROR, message=NOT_YOURS)
    return run


def claim(run_id: int) -> ProofRun | None:
    """Make this process the one that runs it; None when it is done or somebody else's.

    A message is delivered again when a worker died over it, so a run that is too old to be alive is claimed again.
    """
    stale = timezone.now() - LONGEST_RUN
    claimable = ProofRun.objects.filter(pk=run_id, state=ProofRun.State.QUEUED) | ProofRun.objects.filter(
        pk=run_id, state=ProofRun.State.RUNNING, started_at__lt=stale
    )
    if not claimable.update(state=ProofRun.State.RUNNING, started_at=timezone.now(), message="Opening your workspace."):
        return None
    return ProofRun.objects.select_related("option", "version", "variant__version", "user").get(pk=run_id)


def is_crowded() -> bool:
    """Whether as many replays and lab solutions are running as may run at once."""
    recent = timezone.now() - LONGEST_RUN
    replays = ProofRun.objects.filter(state=ProofRun.State.RUNNING, started_at__gt=recent).count()
    drafts = DraftProof.objects.filter(state=ProofRun.State.RUNNING, started_at__gt=recent).count()
    return replays + drafts + LabRun.objects.filter(solving_since__gt=recent).count() >= MAX_RUNNING


def replay(run: ProofRun) -> None:
    """Run the proof in the learner's workspace and keep what was seen."""
    proof = proof_of(run.target)
    try:
        with client_for(run.user, f"proof-{run.pk}", tell=_teller(run)) as (client, workspace_id):
            if PROGRAMS[proof.program].needs_models:
                _say(run, "Registering the example models.")
                public.install_example_models(workspace_id)
            result = run_proof(proof, client, is_key=must_hold(run.target))
    except Exception as error:
        log.exception("proof run %s failed", run.pk)
        _finish(run, ProofRun.State.ERROR, message=f"The sandbox could not run the proof: {error}"[:500])
        return
    kept = {**result.observation.to_dict(), "comparisons": [asdict(comparison) for comparison in result.comparisons]}
    state = ProofRun.State.ERROR if result.confirmed is None else ProofRun.State.DONE
    _finish(run, state, message=result.message, confirmed=result.confirmed, observation=kept)


def expire_if_stuck(run: ProofRun) -> ProofRun:
    """A run whose worker died without a word is shown as what it is once it is too old."""
    waiting = run.state in {ProofRun.State.QUEUED, ProofRun.State.RUNNING}
    if waiting and timezone.now() - run.created_at > 2 * LONGEST_RUN:
        _finish(run, ProofRun.State.ERROR, message="The replay did not end in time. Start it again.")
    return run


def _say(run: ProofRun, message: str) -> None:
    ProofRun.objects.filter(pk=run.pk).update(message=message[:200])


def _teller(run: ProofRun) -> Callable[[str], None]:
    """Writes what is being done onto the run, but no oftener than a page looks."""
    told_s = 0.0

    def tell(message: str) -> None:
        nonlocal told_s
        if monotonic() - told_s >= TELL_EVERY_S:
            told_s = monotonic()
            _say(run, message)

    return tell


def _finish(run: ProofRun, state: str, **fields: object) -> None:
    values = {"state": state, "finished_at": timezone.now(), **fields}
    ProofRun.objects.filter(pk=run.pk).update(**values)
    for name, value in values.items():
        setattr(run, name, value)
