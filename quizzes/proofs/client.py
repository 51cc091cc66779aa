"""The only importer of databricks-sdk: the unmodified SDK and plain HTTP against the site, with every exchange recorded."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import httpx

from quizzes.proofs.observation import Exchange, cut
from sandbox import public

if TYPE_CHECKING:  # its import takes longer than Django's own: a process of the site that runs no proof is spared it
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.serving import ServingEndpointDetailed

CALL_TIMEOUT_S = 60
DEPLOY_TIMEOUT_S = 120
ROWS_TIMEOUT_S = 20
READY_POLLS_S = (0.03, 0.05, 0.1)
"""Pauses between the first looks at a deployment, later ones are LATER_POLL_S: the quickest need 50 ms, others seconds."""
LATER_POLL_S = 0.2
SHOWN_HEADERS = ("content-type", "served-model-name", "retry-after")


class ProofCouldNotRun(Exception):
    """The sandbox did not do its part (not reachable, a deployment failed): no statement about the option."""


@dataclass(frozen=True)
class SdkOutcome:
    """What an SDK call came to: a value, or the name of the exception it raised."""

    value: Any
    exception: str


def _workspace_client(site_url: str, token: str) -> "WorkspaceClient":
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    config = Config(
        host=site_url, token=token, auth_type="pat", http_timeout_seconds=CALL_TIMEOUT_S, retry_timeout_seconds=CALL_TIMEOUT_S
    )
    return WorkspaceClient(config=config)


class ProofClient:
    """One program's connection to a workspace. Names it hands out share a prefix; `clean_up` removes what was created.

    The token of `access` is a secret; it is sent, never recorded.
    """

    def __init__(
        self,
        site_url: str,
        access: public.WorkspaceAccess,
        prefix: str,
        customers: Sequence[Mapping[str, Any]] = (),
        *,
        keeps_endpoints: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`customers`: example rows for main.default.churn, column to value.

        `tell`: called with a sentence about what is being done now, for whoever waits.

        `keeps_endpoints`: what `ready_endpoint` made stays for the programs that come after, until the workspace is removed.
        """
        self.customers = customers
        self.site_url = site_url.rstrip("/")
        self._base_prefix = self.prefix = prefix
        self.exchanges: list[Exchange] = []
        self._token = access.token
        self._workspace_id = access.workspace_id
        self._tell = tell
        self._created: set[str] = set()
        self._kept: dict[str, str] | None = {} if keeps_endpoints else None
        self._http = httpx.Client(base_url=self.site_url, timeout=CALL_TIMEOUT_S, trust_env=False)
        self._knock()
        self.workspace = _workspace_client(self.site_url, access.token)
        # the SDK has no public hook for recording; requests offers one on its session
        self.workspace.api_client._api_client._session.hooks["response"].append(self._record_sdk)

    def close(self) -> None:
        self._http.close()

    def _knock(self) -> None:
        """Ask once whether anybody is there: the SDK would try for a minute. A site that restarts keeps its callers waiting."""
        try:
            self._http.get("/.well-known/databricks-config")
        except httpx.HTTPError as error:
            self._http.close()
            raise ProofCouldNotRun(f"The site at {self.site_url} did not answer: {error}") from error

    def begin(self, label: str) -> None:
        """Start another proof on this connection: nothing recorded, names with a prefix of its own."""
        self.prefix = f"{self._base_prefix}-{label}"
        self.exchanges = []
        self._created = set()

    # --- calls ------------------------------------------------------------------------------------

    def sdk(self, call: Callable[[], Any]) -> SdkOutcome:
        """Run an SDK call; an API error is an outcome, a broken connection is not."""
        from databricks.sdk.errors.base import DatabricksError

        try:
            return SdkOutcome(call(), "")
        except DatabricksError as error:
            if not self.exchanges or self.exchanges[-1].status < 400:
                raise ProofCouldNotRun(f"The SDK failed without an answer of the site: {error}") from error
            return SdkOutcome(None, type(error).__name__)
        except (OSError, TimeoutError) as error:
            raise ProofCouldNotRun(f"The site at {self.site_url} did not answer: {error}") from error

    def http(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Exchange:
        """A plain request with the workspace's token (or `token`); `body` is sent as JSON, or `text` as it stands."""
        self._tell(f"Request {len(self.exchanges) + 1}: {method} {path.partition('?')[0]}")
        sent = {"Authorization": f"Bearer {token or self._token}", **(headers or {})}
        try:
            response = self._http.request(method, path, json=body, content=text, headers=sent)
        except httpx.HTTPError as error:
            raise ProofCouldNotRun(f"The site at {self.site_url} did not answer: {error}") from error
        return self._keep(
            method, path, response.request.content.decode(), response.status_code, response.text, response.headers,
            round(response.elapsed.total_seconds() * 1000),
        )  # fmt: skip

    # --- endpoints --------------------------------------------------------------------------------

    def endpoint_name(self, suffix: str = "endpoint") -> str:
        """A name of this run's own; endpoints of such names are removed by `clean_up`."""
        name = f"{self.prefix}-{suffix}"
        self._created.add(name)
        return name

    def create(self, name: str, config: Mapping[str, Any], **more: Any) -> SdkOutcome:
        """`serving_endpoints.create` with the given config body; does not wait."""
        from databricks.sdk.service.serving import EndpointCoreConfigInput

        parsed = EndpointCoreConfigInput.from_dict(dict(config))
        return self.sdk(lambda: self.workspace.serving_endpoints.create(name=name, config=parsed, **more).response)

    def deploy(self, name: str, config: Mapping[str, Any]) -> "ServingEndpointDetailed":
        """Create and wait until it is READY; anything else means that the proof could not run."""
        outcome = self.create(name, config)
        if outcome.exception:
            raise ProofCouldNotRun(f"The endpoint of this proof was refused: {self.exchanges[-1].response_body}")
        return self.wait_until_ready(name)

    def ready_endpoint(self, config: Mapping[str, Any]) -> str:
        """The name of a READY endpoint with this config, for programs that only query it: nothing about it may be changed.

        Where many programs run one after the other, the one that is there already is used again.
        """
        wanted = json.dumps(config, sort_keys=True)
        if self._kept is not None and wanted in self._kept:
            return self._kept[wanted]
        name = self.endpoint_name("shared") if self._kept is None else f"{self._base_prefix}-shared-{len(self._kept)}"
        self.deploy(name, config)
        if self._kept is not None:
            self._kept[wanted] = name
        return name

    def wait_until_ready(self, name: str) -> "ServingEndpointDetailed":
        """Poll until no update is in progress and the endpoint is READY."""
        deadline = time.monotonic() + DEPLOY_TIMEOUT_S
        self._tell("Waiting until the endpoint is ready.")
        pauses_s = chain(READY_POLLS_S, repeat(LATER_POLL_S))
        with self.unrecorded():
            while time.monotonic() < deadline:
                outcome = self.sdk(lambda: self.workspace.serving_endpoints.get(name))
                found: ServingEndpointDetailed | None = outcome.value
                update = found.state.config_update.value if found and found.state and found.state.config_update else ""
                ready = found.state.ready.value if found and found.state and found.state.ready else ""
                if found and update == "NOT_UPDATING" and ready == "READY":
                    return found
                if update in {"UPDATE_FAILED", "UPDATE_CANCELED"}:
                    raise ProofCouldNotRun(f"The deployment of {name} ended with {update}.")
                time.sleep(next(pauses_s))
        raise ProofCouldNotRun(f"{name} was not ready after {DEPLOY_TIMEOUT_S} s.")

    def update(self, name: str, config: Mapping[str, Any]) -> SdkOutcome:
        """`serving_endpoints.update_config` with the given body; does not wait."""
        from databricks.sdk.service.serving import EndpointCoreConfigInput

        body = EndpointCoreConfigInput.from_dict(dict(config))
        return self.sdk(
            lambda: (
                self.workspace.serving_endpoints.update_config(
                    name=name, served_entities=body.served_entities, traffic_config=body.traffic_config
                ).response
            )
        )

    def wait_for_rows(self, name: str, wanted: int) -> None:
        """Wait until the inference table of the endpoint holds that many rows; ProofCouldNotRun when it does not come to it."""
        self._tell("Waiting for the calls to be in the inference table.")
        if not public.wait_for_captured(self._workspace_id, f"main.default.{name}_payload", wanted, ROWS_TIMEOUT_S):
            raise ProofCouldNotRun(f"The inference table of {name} had fewer than {wanted} rows after {ROWS_TIMEOUT_S} s.")

    def invoke(self, name: str, body: Any, **more: Any) -> Exchange:
        """One invocation by plain HTTP."""
        return self.http("POST", f"/serving-endpoints/{name}/invocations", body, **more)

    def query_chat(self, name: str, said: str, **more: Any) -> SdkOutcome:
        """`serving_endpoints.query` with one message of the user."""
        from databricks.sdk.service.serving import ChatMessage, ChatMessageRole

        messages = [ChatMessage(role=ChatMessageRole.USER, content=said)]
        return self.sdk(lambda: self.workspace.serving_endpoints.query(name=name, messages=messages, **more))

    @contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Leave the exchanges of this block out of the record (polling)."""
        recorded, self.exchanges = self.exchanges, []
        try:
            yield
        finally:
            self.exchanges = recorded

    def clean_up(self) -> None:
        """Delete every endpoint whose name was handed out; a missing one is fine."""
        for name in sorted(self._created):
            with self.unrecorded():
                self.http("DELETE", f"/api/2.0/serving-endpoints/{name}")

    # --- recording --------------------------------------------------------------------------------

    def _record_sdk(self, response: Any, *_: Any, **__: Any) -> None:
        path = response.request.path_url
        if path.startswith("/.well-known/"):
            return
        body = response.request.body or ""
        text = body.decode() if isinstance(body, bytes) else str(body)
        self._keep(
            response.request.method, path, text, response.status_code, response.text, response.headers,
            round(response.elapsed.total_seconds() * 1000),
        )  # fmt: skip

    def _keep(
        self, method: str, path: str, sent: str, status: int, received: str, headers: Mapping[str, str], duration_ms: int
    ) -> Exchange:
        shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
        exchange = Exchange(method, path, cut(sent), status, received, shown, duration_ms)
        self.exchanges.append(exchange)
        return exchange
