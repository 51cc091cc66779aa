"""What the study side asks of the sandbox: isolated workspaces and summaries of endpoints."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sandbox import public
from sandbox.models import Endpoint, EndpointConfig, ServedEntity, Token, User, Workspace
from sandbox.serving import operations
from sandbox.workspaces.operations import authenticate, issue_token

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def workspace(learner: User) -> Workspace:
    return Workspace.objects.get(id=public.open_workspace(learner))


def make_endpoint(workspace: Workspace, *, active: int = 1, versions: tuple[int, ...] = (1,)) -> Endpoint:
    """An endpoint called churn-ab with one READY config for each version, split 80/20."""
    endpoint = Endpoint.objects.create(
        workspace=workspace,
        name="churn-ab",
        kind="custom",
        creator="learner",
        config_update="NOT_UPDATING",
        active_version=active,
        latest_version=max(versions),
    )
    for version in versions:
        routes = [{"served_entity_name": "a", "traffic_percentage": 80}, {"served_entity_name": "b", "traffic_percentage": 20}]
        config = EndpointConfig.objects.create(endpoint=endpoint, config_version=version, routes=routes)
        for position, name in enumerate("ab"):
            ServedEntity.objects.create(
                config=config,
                position=position,
                name=name,
                entity_name="main.default.churn",
                entity_version=str(position + 1),
                deployment="DEPLOYMENT_READY",
            )
    return endpoint


def test_it_sums_an_endpoint_up(workspace: Workspace) -> None:
    make_endpoint(workspace)
    found = public.endpoint(workspace.id, "churn-ab")
    assert found is not None
    assert (found.ready, found.config_update, found.config_version) == ("READY", "NOT_UPDATING", 1)
    assert [(entity.name, entity.entity_name, entity.entity_version) for entity in found.entities] == [
        ("a", "main.default.churn", "1"),
        ("b", "main.default.churn", "2"),
    ]
    assert public.traffic_split(workspace.id, "churn-ab") == (public.RouteSummary("a", 80), public.RouteSummary("b", 20))


def test_another_workspaces_endpoint_is_not_there(workspace: Workspace, stranger: User) -> None:
    make_endpoint(workspace)
    other = public.open_workspace(stranger)
    assert public.endpoint(other, "churn-ab") is None
    assert public.traffic_split(other, "churn-ab") == ()
    assert public.deployment_events(other, "churn-ab") == []
    assert public.captured_requests(other, "churn-ab", LONG_AGO) == []


def test_an_endpoint_that_nobody_called_has_no_captured_requests(workspace: Workspace) -> None:
    make_endpoint(workspace)
    assert public.captured_requests(workspace.id, "churn-ab", LONG_AGO) == []


def test_an_endpoint_is_read_whole_while_another_config_becomes_active(workspace: Workspace) -> None:
    """The row says config 1, and before its configs are read config 2 takes over: the reader must not see NOT_READY."""
    endpoint = make_endpoint(workspace, versions=(1, 2))
    switched: list[str] = []

    def switch_between(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        result = execute(sql, params, many, context)
        if "sandbox_endpoint" in sql and "sandbox_endpointconfig" not in sql and not switched:
            switched.append(sql)
            Endpoint.objects.filter(pk=endpoint.pk).update(active_version=2)
        return result

    with CaptureQueriesContext(connection), connection.execute_wrapper(switch_between):
        found = operations.get_endpoint(workspace, "churn-ab")
    assert switched
    assert found.active_version == 2
    assert [config.config_version for config in found.configs.all()] == [2]


def test_an_isolated_workspace_comes_with_a_token_and_goes_without_a_trace() -> None:
    access = public.isolated_workspace("proof-1", 60)
    token = authenticate(access.token)
    assert token is not None
    assert (token.workspace_id, token.user.username) == (access.workspace_id, public.PROOF_RUNNER)
    assert not token.user.has_usable_password()
    assert access.token not in repr(access)
    public.remove_workspace(access.workspace_id)
    assert not Workspace.objects.filter(id=access.workspace_id).exists()
    assert authenticate(access.token) is None
    public.remove_workspace(access.workspace_id)


def test_a_persons_workspace_is_never_removed(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="is not an isolated one"):
        public.remove_workspace(workspace.id)
    assert Workspace.objects.filter(id=workspace.id).exists()


def test_a_proof_token_is_short_lived_and_for_the_owner_alone(workspace: Workspace, learner: User, stranger: User) -> None:
    access = public.issue_proof_token(workspace.id, learner, 60)
    assert Token.objects.get(id=access.token_id).expires_at is not None
    public.revoke_proof_token(access)
    assert authenticate(access.token) is None
    public.revoke_proof_token(access)
    with pytest.raises(Workspace.DoesNotExist):
        public.issue_proof_token(workspace.id, stranger, 60)


def test_revoking_a_proof_token_leaves_the_others(workspace: Workspace, learner: User) -> None:
    _, own = issue_token(workspace, learner, "mine")
    public.revoke_proof_token(public.issue_proof_token(workspace.id, learner, 60))
    assert authenticate(own) is not None


def test_example_customers_fit_the_model() -> None:
    customers = public.example_customers(3)
    assert len(customers) == 3
    assert {"tenure", "MonthlyCharges", "PaymentMethod"} <= set(customers[0])
    assert {"customerID", "Churn"}.isdisjoint(customers[0])
