"""Run the proofs of many items at once, in fresh workspaces that belong to nobody.

Checks that name the same program with the same arguments are judged by one run of it. Each worker has a workspace of its own
and runs one program at a time in it.
"""

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import Empty, Queue
from time import monotonic
from typing import Any

from django.db import connection

from quizzes.proofs.access import client_for, open_client
from quizzes.proofs.checks import Check
from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs import PROGRAMS
from quizzes.proofs.run import ProofResult, shown
from sandbox import public

WORKSPACE_LIFETIME_S = 1800
WORKERS = 6
"""Workspaces at once: the work is mostly waiting for deployments."""

Job = Sequence[Check]
"""Checks of one call."""


@dataclass(frozen=True)
class Line:
    """One check's result in the table; `duration_s` is that of the run, which several checks may share."""

    check: Check
    result: ProofResult
    duration_s: float
    facts: dict[str, Any]


def jobs_for(checks: Sequence[Check]) -> list[Job]:
    """The checks by call: those that build or wait for nothing come last, so that no worker is alone at the end."""
    by_call: dict[str, list[Check]] = {}
    for check in checks:
        by_call.setdefault(check.call, []).append(check)
    return sorted(by_call.values(), key=lambda job: not PROGRAMS[job[0].proof.program].needs_models)


def run_all(checks: Sequence[Check], site_url: str, user: public.Person | None, workers: int = WORKERS) -> Iterator[Line]:
    """The lines as they come: in fresh isolated workspaces, one for each worker, or all in the user's own."""
    waiting: Queue[Job] = Queue()
    for job in jobs_for(checks):
        waiting.put(job)
    count = 1 if user is not None else max(1, min(workers, waiting.qsize()))
    with ThreadPoolExecutor(max_workers=count) as pool:
        for future in as_completed([pool.submit(_work, waiting, site_url, user) for _ in range(count)]):
            yield from future.result()


def _work(waiting: "Queue[Job]", site_url: str, user: public.Person | None) -> list[Line]:
    """Take calls until none is left; two never run in one workspace at the same time."""
    lines: list[Line] = []
    try:
        with _client(site_url, user) as (client, workspace_id):
            public.install_example_models(workspace_id)
            while job := _next(waiting):
                lines += run_job(job, client)
    except public.SandboxError as error:
        lines += _give_up(waiting, error.message)
    except (ProofCouldNotRun, OSError) as error:
        lines += _give_up(waiting, str(error))
    finally:
        connection.close()  # each thread of the pool has its own
    return lines


def _next(waiting: "Queue[Job]") -> Job:
    """The next call's checks; empty when there is none."""
    try:
        return waiting.get_nowait()
    except Empty:
        return ()


def _give_up(waiting: "Queue[Job]", message: str) -> list[Line]:
    """One unconfirmed line for each check that nobody will run any more."""
    lines: list[Line] = []
    while job := _next(waiting):
        lines += [Line(check, ProofResult(None, Observation({}), message=message), 0.0, {}) for check in job]
    return lines


@contextmanager
def _client(site_url: str, user: public.Person | None) -> Iterator[tuple[ProofClient, str]]:
    prefix = f"proof-{secrets.token_hex(3)}"
    if user is not None:
        with client_for(user, prefix, site_url) as opened:
            yield opened
        return
    access = public.isolated_workspace(prefix, WORKSPACE_LIFETIME_S)
    client = open_client(access, prefix, site_url, keeps_endpoints=True)
    try:
        yield client, access.workspace_id
    finally:
        client.close()
        public.remove_workspace(access.workspace_id)


def run_job(job: Job, client: ProofClient) -> list[Line]:
    """Run the call once and judge every check by it."""
    proof = job[0].proof
    began = monotonic()
    client.begin(secrets.token_hex(4))
    try:
        seen = PROGRAMS[proof.program].function(client, **proof.arguments)
    except ProofCouldNotRun as error:
        unseen = ProofResult(None, shown(Observation({}, client.exchanges)), message=str(error))
        return [Line(check, unseen, monotonic() - began, {}) for check in job]
    except Exception as error:  # a program's own mistake must not end the run of all others
        broken = ProofResult(None, shown(Observation({}, client.exchanges)), message=f"{type(error).__name__}: {error}")
        return [Line(check, broken, monotonic() - began, {}) for check in job]
    finally:
        client.clean_up()
    duration_s = monotonic() - began
    return [Line(check, replace(check.judge(seen.facts), observation=shown(seen)), duration_s, dict(seen.facts)) for check in job]
