"""Open a client on a person's own workspace with a token that lives as long as the work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from quizzes.proofs.client import ProofClient
from sandbox import public

TOKEN_LIFETIME_S = 600
EXAMPLE_CUSTOMERS = 50


@contextmanager
def client_for(
    user: public.Person, prefix: str, site_url: str = "", tell: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[ProofClient, str]]:
    """(client, workspace id) of the person's workspace; the token is revoked at the end. `tell`: see ProofClient."""
    workspace_id = public.open_workspace(user)
    access = public.issue_proof_token(workspace_id, user, TOKEN_LIFETIME_S)
    client = open_client(access, prefix, site_url, tell=tell)
    try:
        yield client, workspace_id
    finally:
        client.close()
        public.revoke_proof_token(access)


def open_client(access: public.WorkspaceAccess, prefix: str, site_url: str = "", **more: Any) -> ProofClient:
    """A client on the running site; `prefix` begins the names of all that it creates. `more`: see ProofClient."""
    return ProofClient(site_url or settings.SITE_URL, access, prefix, public.example_customers(EXAMPLE_CUSTOMERS), **more)
