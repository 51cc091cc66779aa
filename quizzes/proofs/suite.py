"""Run the proofs of many options at once, in fresh workspaces that belong to nobody."""

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Queue
from time import monotonic

from django.db import connection
from django.db.models import F

from quizzes.models import Option
from quizzes.proofs.access import client_for, open_client
from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.observation import Observation
from quizzes.proofs.run import Proof, ProofResult, run_proof
from sandbox import public

WORKSPACE_LIFETIME_S = 900
WORKERS = 3
"""Workspaces at once: each builds the example models once, which is what takes longest."""


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
    """The lines as they come: in fresh isolated workspaces, one for each worker, or all in the user's own."""
    waiting: Queue[Sequence[Option]] = Queue()
    for group in groups:
        waiting.put(group)
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for future in as_completed([pool.submit(_work, waiting, site_url, user) for _ in range(WORKERS)]):
            yield from future.result()


def _work(waiting: "Queue[Sequence[Option]]", site_url: str, user: public.Person | None) -> list[Line]:
    """Take items until none is left. Two items never run in one workspace at the same time."""
    lines: list[Line] = []
    try:
        with _client(site_url, user) as (client, workspace_id):
            public.install_example_models(workspace_id)
            while group := _next(waiting):
                lines += [_run_one(option, client) for option in group]
    except public.SandboxError as error:
        lines += _give_up(waiting, error.message)
    except (ProofCouldNotRun, OSError) as error:
        lines += _give_up(waiting, str(error))
    finally:
        connection.close()  # each thread of the pool has its own
    return lines


def _next(waiting: "Queue[Sequence[Option]]") -> Sequence[Option]:
    """The next item's options; empty when there is none."""
    try:
        return waiting.get_nowait()
    except Empty:
        return ()


def _give_up(waiting: "Queue[Sequence[Option]]", message: str) -> list[Line]:
    """One unconfirmed line for each option that nobody will run any more."""
    lines: list[Line] = []
    while group := _next(waiting):
        lines += [_unrun(option, message) for option in group]
    return lines


@contextmanager
def _client(site_url: str, user: public.Person | None) -> Iterator[tuple[ProofClient, str]]:
    prefix = f"proof-{secrets.token_hex(3)}"
    if user is not None:
        with client_for(user, prefix, site_url) as opened:
            yield opened
        return
    access = public.isolated_workspace(prefix, WORKSPACE_LIFETIME_S)
    client = open_client(access, prefix, site_url)
    try:
        yield client, access.workspace_id
    finally:
        client.close()
        public.remove_workspace(access.workspace_id)


def _run_one(option: Option, client: ProofClient) -> Line:
    began = monotonic()
    client.begin(f"{option.version.item_id}-{option.position}")
    result = run_proof(Proof.of(option.proof), client, is_key=option.is_key)
    return Line(option.version.item.key, option.position, option.is_key, option.proof["program"], result, monotonic() - began)


def _unrun(option: Option, message: str) -> Line:
    result = ProofResult(None, Observation({}), message=message)
    return Line(option.version.item.key, option.position, option.is_key, option.proof["program"], result, 0.0)
