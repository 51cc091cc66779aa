"""ALL that `quizzes` may use of the sandbox: functions and frozen dataclasses."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db import transaction

from sandbox import live
from sandbox.errors import ApiError, ResourceDoesNotExist
from sandbox.inference_tables import operations as inference_tables
from sandbox.inference_tables import waiting
from sandbox.registry import datasets, example_models, store
from sandbox.serving import operations as serving
from sandbox.serving import representation, snapshot
from sandbox.serving.models import Endpoint, EndpointConfig
from sandbox.workspaces import operations as workspaces
from sandbox.workspaces.models import User, Workspace

Person = User
"""Who `request.user` is."""
SandboxError = ApiError
"""What every function here raises for an expected error; `message` is a sentence for people."""

PROOF_RUNNER = "proof-runner"
"""The account that isolated workspaces are used with; it has no password and cannot sign in."""


@dataclass(frozen=True)
class WorkspaceAccess:
    """A workspace and a short-lived token for it. `token` is a secret: never log or show it."""

    workspace_id: str
    token: str
    token_id: str

    def __repr__(self) -> str:
        return f"WorkspaceAccess({self.workspace_id}, token=***)"


@dataclass(frozen=True)
class EntitySummary:
    """One served entity of the active config."""

    entity_id: str
    """The `served_entity_id` of captured requests."""
    name: str
    entity_name: str
    entity_version: str
    deployment: str
    """DEPLOYMENT_READY and its siblings."""


@dataclass(frozen=True)
class RouteSummary:
    """A share of the traffic, in whole percent."""

    served_entity_name: str
    traffic_percentage: int


@dataclass(frozen=True)
class EndpointSummary:
    """An endpoint as its GET shows it: state, active config, routes."""

    name: str
    ready: str
    """READY or NOT_READY."""
    config_update: str
    """NOT_UPDATING, IN_PROGRESS, UPDATE_FAILED or UPDATE_CANCELED."""
    config_version: int
    entities: tuple[EntitySummary, ...]
    routes: tuple[RouteSummary, ...]


@dataclass(frozen=True)
class CapturedRequest:
    """One row of an inference table, without the bodies."""

    databricks_request_id: str
    client_request_id: str | None
    request_time: datetime
    status_code: int
    execution_duration_ms: int
    served_entity_id: str | None


@dataclass(frozen=True)
class DeploymentEventSummary:
    """One line of an endpoint's event log."""

    at: datetime
    kind: str
    message: str


# --- workspaces -----------------------------------------------------------------------------------


def open_workspace(owner: Person) -> str:
    """The id of the person's own workspace, made on first use."""
    return workspaces.open_workspace(owner).id


def isolated_workspace(label: str, lifetime_s: int) -> WorkspaceAccess:
    """A fresh workspace that belongs to nobody, with a token; remove it with `remove_workspace`."""
    with transaction.atomic():
        runner, is_new = User.objects.get_or_create(username=PROOF_RUNNER)
        if is_new:
            runner.set_unusable_password()
            runner.save()
        workspace = Workspace.objects.create(name=f"proof {label}"[:100])
    return _issue(workspace, runner, lifetime_s)


def remove_workspace(workspace_id: str) -> None:
    """Delete the endpoints, tokens and rows of an isolated workspace; a learner's own is refused."""
    workspace = Workspace.objects.filter(id=workspace_id).first()
    if workspace is None:
        return
    if workspace.owner_id is not None or workspace_id == live.SYSTEM_WORKSPACE:
        raise ValueError(f"Workspace {workspace_id} is not an isolated one.")
    for name in Endpoint.objects.filter(workspace=workspace).values_list("name", flat=True):
        serving.delete_endpoint(workspace, name)
    for token in workspaces.list_tokens(workspace):
        workspaces.revoke_token(workspace, token.id)
    workspace.delete()


def issue_proof_token(workspace_id: str, user: Person, lifetime_s: int) -> WorkspaceAccess:
    """A short-lived token of the person's own workspace, for work that the site does on her behalf."""
    return _issue(Workspace.objects.get(id=workspace_id, owner=user), user, lifetime_s)


def revoke_proof_token(access: WorkspaceAccess) -> None:
    """End the token; one that has expired is fine."""
    try:
        workspaces.revoke_token(Workspace.objects.get(id=access.workspace_id), access.token_id)
    except (ResourceDoesNotExist, Workspace.DoesNotExist):
        return


def _issue(workspace: Workspace, user: User, lifetime_s: int) -> WorkspaceAccess:
    token, plain = workspaces.issue_token(workspace, user, "proof run", lifetime_s)
    return WorkspaceAccess(workspace_id=workspace.id, token=plain, token_id=token.id)


# --- models ---------------------------------------------------------------------------------------


def install_example_models(workspace_id: str) -> None:
    """Register the example models that the workspace does not have yet (main.default.churn with two versions, and more)."""
    example_models.install_models(workspace_id)


@cache
def example_customers(limit: int) -> tuple[dict[str, Any], ...]:
    """Rows of the generated churn table with the columns that main.default.churn takes."""
    table = datasets.churn(limit)
    return tuple({column: row[column] for column in table.features} for row in table.rows)


def resolve_alias(workspace_id: str, model: str, alias: str) -> str:
    """The version that an alias points to."""
    return store.resolve_alias(workspace_id, model, alias)


# --- endpoints ------------------------------------------------------------------------------------


def endpoint(workspace_id: str, name: str) -> EndpointSummary | None:
    """State, entities and routes of one of the workspace's own endpoints; None when there is none of this name."""
    try:
        found = serving.get_endpoint(Workspace.objects.get(id=workspace_id), name)
    except ResourceDoesNotExist:
        return None
    return _summary(found) if found.workspace_id == workspace_id else None


def traffic_split(workspace_id: str, name: str) -> tuple[RouteSummary, ...]:
    """The active routes; empty when there is no such endpoint or no active config."""
    found = endpoint(workspace_id, name)
    return found.routes if found else ()


def deployment_events(workspace_id: str, name: str) -> list[DeploymentEventSummary]:
    """What happened to the endpoint, oldest first."""
    found = Endpoint.objects.filter(workspace_id=workspace_id, name=name).first()
    if found is None:
        return []
    return [DeploymentEventSummary(at=e.at, kind=e.type, message=e.message) for e in serving.deployment_events(found)]


def _summary(found: Endpoint) -> EndpointSummary:
    config = snapshot.active_config(found)
    return EndpointSummary(
        name=found.name,
        ready="READY" if representation.is_ready(found) else "NOT_READY",
        config_update=found.config_update,
        config_version=config.config_version if config else 0,
        entities=_entities(config),
        routes=tuple(RouteSummary(**route) for route in config.routes) if config else (),
    )


def _entities(config: EndpointConfig | None) -> tuple[EntitySummary, ...]:
    if config is None:
        return ()
    return tuple(
        EntitySummary(
            entity_id=entity.id,
            name=entity.name,
            entity_name=entity.entity_name or str(entity.external_model.get("name", "")),
            entity_version=entity.entity_version,
            deployment=entity.deployment,
        )
        for entity in config.entities.all()
    )


# --- captured requests ----------------------------------------------------------------------------

_CAPTURED_COLUMNS = list(CapturedRequest.__dataclass_fields__)


def captured_requests(workspace_id: str, endpoint_name: str, since: datetime) -> list[CapturedRequest]:
    """The rows of the endpoint's inference table with a request time of at least `since`, oldest first.

    Empty when the endpoint does not exist, is not captured, or has not been called. Rows arrive up to 5 s after the answer.
    """
    found = Endpoint.objects.select_related("workspace").filter(workspace_id=workspace_id, name=endpoint_name).first()
    table = snapshot.inference_table(found, snapshot.active_config(found)) if found else ""
    if not table:
        return []
    rows = inference_tables.rows_since(workspace_id, table, since)
    return [CapturedRequest(**{name: getattr(row, name) for name in _CAPTURED_COLUMNS}) for row in rows]


def wait_for_captured(workspace_id: str, table: str, rows: int, timeout_s: float) -> bool:
    """Whether the inference table (`catalog.schema.name`) came to hold that many rows; they are fetched out of turn."""
    return waiting.wait_for_rows(workspace_id, table, rows, timeout_s)
