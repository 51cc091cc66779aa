"""Proof runs of drafts: all proofs of an item that an author is writing, in her own workspace, before it is published."""

import logging
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from quizzes.bank_files import BankFileError, parse_bank
from quizzes.models import DraftProof
from quizzes.proofs.access import client_for
from quizzes.proofs.checks import Check, checks_of
from quizzes.proofs.suite import Line, jobs_for, run_job
from quizzes.queue import QueueAway, enqueue
from quizzes.replays import LONGEST_RUN, NOT_YOURS
from quizzes.variants import Computed
from sandbox import public

log = logging.getLogger(__name__)
TASK = "quizzes.prove_draft"


def request_draft_proof(user: public.Person, item_key: str, bank_text: str) -> DraftProof:
    """Queue a run of everything that the item of this bank text proves."""
    waiting = "Waiting for the background worker."
    run = DraftProof.objects.create(user=user, item_key=item_key, bank_text=bank_text, message=waiting)
    try:
        enqueue(TASK, run.pk)
    except QueueAway:
        _finish(run, DraftProof.State.ERROR, NOT_YOURS)
    return run


def claim(run_id: int) -> DraftProof | None:
    """Make this process the one that runs it; a run that is too old to be alive is claimed again."""
    stale = timezone.now() - LONGEST_RUN
    waiting = DraftProof.objects.filter(pk=run_id, state=DraftProof.State.QUEUED) | DraftProof.objects.filter(
        pk=run_id, state=DraftProof.State.RUNNING, started_at__lt=stale
    )
    if not waiting.update(state=DraftProof.State.RUNNING, started_at=timezone.now(), message="Opening your workspace."):
        return None
    return DraftProof.objects.select_related("user").get(pk=run_id)


def prove_draft(run: DraftProof) -> None:
    """Run the draft's proofs one after the other; each line is shown as soon as it is there."""
    try:
        bank = parse_bank(run.bank_text, "the draft")
        spec = next(item for item in bank.items if item.key == run.item_key)
        checks = checks_of(spec)
        if not checks:
            _finish(run, DraftProof.State.DONE, "There is nothing to run: no option has a proof.")
            return
        lines = _run(run, checks)
    except (BankFileError, StopIteration) as error:
        _finish(run, DraftProof.State.ERROR, f"The draft cannot be read: {error}"[:500])
        return
    except Exception as error:
        log.exception("draft proof %s failed", run.pk)
        _finish(run, DraftProof.State.ERROR, f"The sandbox could not run the proofs: {error}"[:500])
        return
    good = sum(line["confirmed"] is True for line in lines)
    _finish(run, DraftProof.State.DONE, f"{good} of {len(lines)} confirmed.")


def _run(run: DraftProof, checks: list[Check]) -> list[dict[str, Any]]:
    """The lines of all checks; kept on the row after each job."""
    lines: list[dict[str, Any]] = []
    with client_for(run.user, f"draft-{run.pk}") as (client, workspace_id):
        DraftProof.objects.filter(pk=run.pk).update(message="Registering the example models.")
        public.install_example_models(workspace_id)
        for job in jobs_for(checks):
            lines += [_kept(line) for line in run_job(job, client)]
            DraftProof.objects.filter(pk=run.pk).update(lines=lines, message=f"{len(lines)} of {len(checks)} have run.")
    return lines


def _kept(line: Line) -> dict[str, Any]:
    """A line as plain data; of a combination also what was computed."""
    combination = line.check.combination
    return {
        "part": line.check.part,
        "program": line.check.proof.program,
        "confirmed": line.result.confirmed,
        "message": line.result.message,
        "comparisons": [asdict(comparison) for comparison in line.result.comparisons],
        "computed": asdict(combination.computed(line.facts)) if combination and line.result.confirmed else None,
    }


def computed_by(run: DraftProof | None) -> list[Computed]:
    """What a run has computed for each combination, in their order; empty when it is not complete."""
    if run is None or run.state != DraftProof.State.DONE:
        return []
    combinations = [line for line in run.lines if line["part"].startswith("values")]
    combinations.sort(key=lambda line: int(line["part"].split()[-1]))
    found = [Computed(**line["computed"]) for line in combinations if line["computed"]]
    return found if len(found) == len(run.lines) else []


def expire_if_stuck(run: DraftProof) -> DraftProof:
    """A run whose worker died without a word is shown as what it is once it is too old."""
    waiting = run.state in {DraftProof.State.QUEUED, DraftProof.State.RUNNING}
    if waiting and timezone.now() - run.created_at > 2 * LONGEST_RUN:
        _finish(run, DraftProof.State.ERROR, "The run did not end in time. Start it again.")
    return run


def _finish(run: DraftProof, state: str, message: str) -> None:
    DraftProof.objects.filter(pk=run.pk).update(state=state, message=message, finished_at=timezone.now())
    run.state, run.message = state, message
