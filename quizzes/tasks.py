"""Celery entry points of the study side; they run in the control worker."""

import logging

from celery import shared_task

from quizzes import draft_proofs, quarantine, replays
from quizzes.interchange import importing
from quizzes.key_fixes import rescoring
from quizzes.labs import runs
from quizzes.models import LabRun
from quizzes.queue import enqueue

log = logging.getLogger(__name__)

CROWDED_RETRY_S = 2
LIVENESS_RETRY_S = 30
BEAT_SCHEDULE = {
    "quarantine_items": {"task": quarantine.TASK, "schedule": 3600.0},
    "forget_uploads": {"task": importing.FORGET_TASK, "schedule": 300.0},
    "resume_key_fixes": {"task": rescoring.RESUME_TASK, "schedule": 60.0},
}


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


@shared_task(name=importing.READ_TASK)
def read_import(run_id: int) -> None:
    """Make the dry run of an import; while another worker seems to be at it, look again later."""
    if not importing.read_import(run_id):
        enqueue(importing.READ_TASK, run_id, LIVENESS_RETRY_S)


@shared_task(name=importing.STORE_TASK)
def store_import(run_id: int) -> None:
    """Store a confirmed import; while another worker seems to be at it, look again later."""
    if not importing.store_import(run_id):
        enqueue(importing.STORE_TASK, run_id, LIVENESS_RETRY_S)


@shared_task(name=importing.FORGET_TASK)
def forget_uploads() -> None:
    """Delete uploads that nobody has confirmed within an hour."""
    importing.forget_uploads()


@shared_task(name=rescoring.TASK)
def rescore(fix_id: int) -> None:
    """Give the answers to a corrected item their new scores."""
    rescoring.rescore(fix_id)


@shared_task(name=rescoring.RESUME_TASK)
def resume_key_fixes() -> None:
    """Go on with re-scoring that a dead worker or a broker that was away has left behind."""
    rescoring.resume()


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
