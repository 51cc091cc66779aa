"""Celery entry points of the study side; they run in the control worker."""

import logging

from celery import shared_task

from quizzes import draft_proofs, quarantine, replays
from quizzes.labs import runs
from quizzes.models import LabRun
from quizzes.queue import enqueue

log = logging.getLogger(__name__)

CROWDED_RETRY_S = 2
BEAT_SCHEDULE = {"quarantine_items": {"task": quarantine.TASK, "schedule": 3600.0}}


@shared_task(name=replays.TASK)
def replay_proof(run_id: int) -> None:
    """Run a queued replay; when too many are running, try again shortly."""
    if replays.is_crowded():
        enqueue(replays.TASK, run_id, CROWDED_RETRY_S)
        return
    run = replays.claim(run_id)
    if run is not None:
        replays.replay(run)


@shared_task(name=draft_proofs.TASK)
def prove_draft(run_id: int) -> None:
    """Run the proofs of an author's draft; when too many are running, try again shortly."""
    if replays.is_crowded():
        enqueue(draft_proofs.TASK, run_id, CROWDED_RETRY_S)
        return
    run = draft_proofs.claim(run_id)
    if run is not None:
        draft_proofs.prove_draft(run)


@shared_task(name=quarantine.TASK)
def quarantine_items() -> None:
    """Take items out of circulation whose statistics say so."""
    for item in quarantine.quarantine_by_statistics():
        log.warning("item %s was quarantined by its statistics", item.key)


@shared_task(name=runs.SET_UP_TASK)
def set_up_lab(run_id: int) -> None:
    """Run the setup of a lab run."""
    run = _lab_run(run_id)
    if run is not None:
        runs.set_up(run)


@shared_task(name=runs.SOLVE_TASK)
def solve_lab(run_id: int) -> None:
    """Run the reference solution; when too much is running, try again shortly."""
    if replays.is_crowded():
        enqueue(runs.SOLVE_TASK, run_id, CROWDED_RETRY_S)
        return
    run = _lab_run(run_id)
    if run is not None:
        runs.solve(run)


@shared_task(name=runs.CLEAN_UP_TASK)
def clean_up_lab(run_id: int) -> None:
    """Remove what a lab run made."""
    run = _lab_run(run_id)
    if run is not None:
        runs.clean_up(run)


def _lab_run(run_id: int) -> LabRun | None:
    """None: the row was removed with its learner."""
    return LabRun.objects.select_related("lab", "user").filter(pk=run_id).first()
