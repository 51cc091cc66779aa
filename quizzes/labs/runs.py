"""A learner's go at a lab: start, set up, check, solve, end."""

import logging
from collections.abc import Callable

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from quizzes.labs.checks import CHECKS
from quizzes.labs.outcomes import LabState, Outcome
from quizzes.labs.specification import CheckSpec, LabSpec
from quizzes.labs.steps import CLEANUPS, SETUPS, SOLUTIONS
from quizzes.models import CheckResult, Lab, LabRun
from quizzes.models.labs import Verdict
from quizzes.proofs.access import client_for
from sandbox import public

log = logging.getLogger(__name__)

SET_UP_TASK = "quizzes.set_up_lab"
SOLVE_TASK = "quizzes.solve_lab"
CLEAN_UP_TASK = "quizzes.clean_up_lab"
COULD_NOT_LOOK = "The check could not look at your workspace. This is not your fault and costs nothing; try again in a moment."


def specification(lab: Lab) -> LabSpec:
    """The lab's file, as it was loaded."""
    return LabSpec.of(lab.specification)


def current_run(user: public.Person, lab: Lab) -> LabRun | None:
    """The run that the learner is in; None when she has begun none or ended it."""
    return LabRun.objects.filter(user=user, lab=lab).exclude(state=LabRun.State.ENDED).select_related("lab").first()


def start_run(user: public.Person, lab: Lab) -> LabRun:
    """Begin a run, unless one is under way; `set_up` does the rest in the background."""
    with transaction.atomic():
        return current_run(user, lab) or LabRun.objects.create(user=user, lab=lab)


def set_up(run: LabRun) -> None:
    """Run the lab's setup. A failure is written on the run, so that the page can offer to try again."""
    if run.state not in {LabRun.State.SETTING_UP, LabRun.State.SETUP_FAILED}:
        return
    workspace_id = public.open_workspace(run.user)
    try:
        SETUPS[specification(run.lab).setup](workspace_id)
    except Exception as error:
        log.exception("setup of lab run %s failed", run.pk)
        why = error.message if isinstance(error, public.SandboxError) else "the log of the site's control process says why."
        LabRun.objects.filter(pk=run.pk).update(state=LabRun.State.SETUP_FAILED, message=f"The setup failed: {why}"[:500])
        return
    LabRun.objects.filter(pk=run.pk).exclude(state=LabRun.State.ENDED).update(state=LabRun.State.STARTED, message="")


def check_run(run: LabRun) -> list[CheckResult]:
    """One round of all checks, stored. When all pass and the learner did it herself, the run is passed."""
    spec = specification(run.lab)
    outcomes = judge(spec.checks, lambda: read_state(run, spec))
    with transaction.atomic():
        last = CheckResult.objects.filter(run=run).aggregate(last=Max("round"))["last"] or 0
        results = [_store(run, last + 1, check, outcome) for check, outcome in outcomes]
        if all(result.verdict == Verdict.PASS for result in results) and not run.solved_for_learner:
            open_states = [LabRun.State.STARTED, LabRun.State.SETTING_UP, LabRun.State.SETUP_FAILED]
            LabRun.objects.filter(pk=run.pk, state__in=open_states).update(state=LabRun.State.PASSED, passed_at=timezone.now())
    return results


def latest_results(run: LabRun) -> list[CheckResult]:
    """The verdicts of the last round; empty before the first."""
    results = list(CheckResult.objects.filter(run=run).order_by("-round", "pk"))
    return [result for result in results if result.round == results[0].round]


def score_percentage(results: list[CheckResult]) -> int:
    """Sum of the weights of passed checks; the weights of a lab add up to 100."""
    return sum(result.weight for result in results if result.verdict == Verdict.PASS)


def solve(run: LabRun) -> None:
    """Run the reference solution in the learner's workspace; the run can then no longer count as passed."""
    LabRun.objects.filter(pk=run.pk).update(
        solved_for_learner=True, solving_since=timezone.now(), message="The reference solution is being run."
    )
    spec = specification(run.lab)
    try:
        with client_for(run.user, f"lab-{run.pk}") as (client, workspace_id):
            SETUPS[spec.setup](workspace_id)
            SOLUTIONS[spec.solve](client, spec, workspace_id)
        message = "The reference solution has run. Look at what it made, then check."
    except Exception as error:
        log.exception("solution of lab run %s failed", run.pk)
        message = f"The reference solution could not be run: {error}"[:500]
    LabRun.objects.filter(pk=run.pk).update(message=message, solving_since=None)


def end_run(run: LabRun) -> None:
    """Finish the run for good; `clean_up` removes what the lab is about."""
    LabRun.objects.filter(pk=run.pk).update(state=LabRun.State.ENDED)


def clean_up(run: LabRun) -> None:
    """Remove the lab's endpoint from the learner's workspace."""
    spec = specification(run.lab)
    with client_for(run.user, f"lab-{run.pk}") as (client, _):
        CLEANUPS[spec.cleanup](client, spec)


def read_state(run: LabRun, spec: LabSpec) -> LabState:
    """The workspace as it is now; raises whatever the sandbox raises."""
    workspace_id = public.open_workspace(run.user)
    return LabState(
        endpoint=public.endpoint(workspace_id, spec.endpoint),
        requests=tuple(public.captured_requests(workspace_id, spec.endpoint, run.started_at)),
        model=spec.model,
        champion_version=public.resolve_alias(workspace_id, spec.model, spec.champion_alias),
        challenger_version=public.resolve_alias(workspace_id, spec.model, spec.challenger_alias),
    )


def judge(checks: tuple[CheckSpec, ...], read: Callable[[], LabState]) -> list[tuple[CheckSpec, Outcome]]:
    """Every check's outcome. What cannot be read or goes wrong here is `error`, never `fail`."""
    try:
        state = read()
    except Exception:
        log.exception("the state of a lab could not be read")
        return [(check, Outcome("error", check.title, COULD_NOT_LOOK)) for check in checks]
    return [(check, _run_check(check, state)) for check in checks]


def _run_check(check: CheckSpec, state: LabState) -> Outcome:
    try:
        return CHECKS[check.name](state)
    except Exception:
        log.exception("check %s went wrong", check.name)
        return Outcome("error", check.title, COULD_NOT_LOOK)


def _store(run: LabRun, number: int, check: CheckSpec, outcome: Outcome) -> CheckResult:
    result: CheckResult = CheckResult.objects.create(
        run=run,
        round=number,
        check_name=check.name,
        weight=check.weight,
        verdict=outcome.verdict,
        expected=outcome.expected,
        got=outcome.got,
    )
    return result
