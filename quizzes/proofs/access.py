"""Open a client on a person's own workspace with a token that lives as long as the work."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from quizzes.proofs.client import ProofClient
from sandbox import public

TOKEN_LIFETIME_S = 600
EXAMPLE_CUSTOMERS = 50


@contextmanager
def client_for(user: public.Person, prefix: str, site_url: str = "") -> Iterator[tuple[ProofClient, str]]:
    """(client, workspace id) of the person's workspace; the token is revoked at the end."""
    workspace_id = public.open_workspace(user)
    access = public.issue_proof_token(workspace_id, user, TOKEN_LIFETIME_S)
    client = open_client(access, prefix, site_url)
    try:
        yield client, workspace_id
    finally:
        client.close()
        public.revoke_proof_token(access)


def open_client(access: public.WorkspaceAccess, prefix: str, site_url: str = "", *, keeps_endpoints: bool = False) -> ProofClient:
    """A client on the running site; `prefix` begins the names of all that it creates."""
    customers = public.example_customers(EXAMPLE_CUSTOMERS)
    return ProofClient(site_url or settings.SITE_URL, access.token, prefix, customers, keeps_endpoints=keeps_endpoints)
