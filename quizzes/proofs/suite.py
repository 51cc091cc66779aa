"""Run the proofs of many options at once, each item in a workspace of its own."""

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from django.db import connection
from django.db.models import F

from quizzes.models import Option
from quizzes.proofs.access import client_for, open_client
from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.observation import Observation
from quizzes.proofs.programs import PROGRAMS
from quizzes.proofs.run import Proof, ProofResult, run_proof
from sandbox import public

WORKSPACE_LIFETIME_S = 900
WORKERS = 4
"""Items at once: each waits for rollouts, which the control worker does with 8 threads."""


@dataclass(frozen=True)
class Line:
    """One option's result in the table."""

    item_key: str
    position: int
    is_key: bool
    program: str
    result: ProofResult
    duration_s: float


def options_with_proofs(keys: Sequence[str] = ()) -> list[list[Option]]:
    """The current options that have a proof, grouped by item; only the named items if any are named."""
    options = Option.objects.filter(version__item__current=F("version"), version__item__retired=False).exclude(proof={})
    if keys:
        options = options.filter(version__item__key__in=keys)
    grouped: dict[str, list[Option]] = {}
    for option in options.select_related("version__item").order_by("version__item__key", "position"):
        grouped.setdefault(option.version.item.key, []).append(option)
    return list(grouped.values())


def run_all(groups: Sequence[Sequence[Option]], site_url: str, user: public.Person | None) -> Iterator[Line]:
    """The lines as they come: in fresh isolated workspaces, or all in the user's own."""
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for future in as_completed([pool.submit(_run_group, group, site_url, user) for group in groups]):
            yield from future.result()


def _run_group(group: Sequence[Option], site_url: str, user: public.Person | None) -> list[Line]:
    try:
        with _client(group[0].version.item.key, site_url, user) as (client, workspace_id):
            if any(PROGRAMS[option.proof["program"]].needs_models for option in group):
                public.install_example_models(workspace_id)
            return [_run_one(option, client) for option in group]
    except public.SandboxError as error:
        return [_unrun(option, error.message) for option in group]
    except (ProofCouldNotRun, OSError) as error:
        return [_unrun(option, str(error)) for option in group]
    finally:
        connection.close()  # each thread of the pool has its own


@contextmanager
def _client(label: str, site_url: str, user: public.Person | None) -> Iterator[tuple[ProofClient, str]]:
    prefix = f"proof-{secrets.token_hex(3)}"
    if user is not None:
        with client_for(user, prefix, site_url) as opened:
            yield opened
        return
    access = public.isolated_workspace(label, WORKSPACE_LIFETIME_S)
    client = open_client(access, prefix, site_url)
    try:
        yield client, access.workspace_id
    finally:
        client.close()
        public.remove_workspace(access.workspace_id)


def _run_one(option: Option, client: ProofClient) -> Line:
    began = monotonic()
    client.begin(f"{option.position}")
    result = run_proof(Proof.of(option.proof), client, is_key=option.is_key)
    return Line(option.version.item.key, option.position, option.is_key, option.proof["program"], result, monotonic() - began)


def _unrun(option: Option, message: str) -> Line:
    result = ProofResult(None, Observation({}), message=message)
    return Line(option.version.item.key, option.position, option.is_key, option.proof["program"], result, 0.0)
