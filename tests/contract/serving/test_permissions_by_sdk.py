"""Who may see, query and manage an endpoint: owner, admin, members with each level, another tenant, nobody."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.config import Config
from databricks.sdk.service import catalog, iam, serving

from tests.contract.serving.endpoints import activate, config, entity

Level = serving.ServingEndpointPermissionLevel
Entry = serving.ServingEndpointAccessControlRequest
Member = Callable[..., Any]


@pytest.fixture
def churn(w: Any) -> Any:
    """Ada's endpoint."""
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    return w.serving_endpoints.get("churn")


@pytest.fixture
def member(site: str, w: Any) -> Member:
    """A client of somebody who is a member of Ada's workspace; `is_admin` by way of the group admins."""

    def make(username: str, *, role: str = "learner", is_admin: bool = False) -> Any:
        from sandbox.workspaces.models import User
        from sandbox.workspaces.operations import issue_token, open_workspace

        user, _ = User.objects.get_or_create(username=username, defaults={"email": f"{username}@example.org", "role": role})
        groups = [iam.ComplexValue(display="admins")] if is_admin else None
        w.users.create(user_name=f"{username}@example.org", groups=groups)
        _, plain = issue_token(open_workspace(User.objects.get(username="ada")), user)
        return WorkspaceClient(config=Config(host=site, token=plain, retry_timeout_seconds=5))

    return make


def give(w: Any, endpoint: Any, level: Level, user: str = "bob") -> None:
    entry = Entry(user_name=f"{user}@example.org", permission_level=level)
    w.serving_endpoints.update_permissions(endpoint.id, access_control_list=[entry])


def listed(permissions: Any) -> dict[str, list[tuple[str, bool]]]:
    """Principal -> (level, inherited)."""
    return {
        (each.user_name or each.group_name): [(p.permission_level.value, p.inherited) for p in each.all_permissions]
        for each in permissions.access_control_list
    }


def may_query(endpoint: Any) -> set[str]:
    """User names that gateways let through."""
    from sandbox import live
    from sandbox.connections import redis_client
    from sandbox.serving.models import Endpoint
    from sandbox.workspaces.models import User

    row = Endpoint.objects.get(id=endpoint.id)
    published = live.LiveEndpoint.from_json(redis_client().get(live.endpoint_key(row.workspace_id, row.name)))
    return set(User.objects.filter(pk__in=published.may_query or ()).values_list("username", flat=True))


def viewing(client: Any, endpoint: Any) -> list[Callable[[], Any]]:
    api = client.serving_endpoints
    return [
        lambda: api.get(endpoint.name),
        lambda: api.build_logs(endpoint.name, "churn-1"),
        lambda: api.logs(endpoint.name, "churn-1"),
        lambda: api.export_metrics(endpoint.name),
        lambda: api.get_permissions(endpoint.id),
        lambda: api.get_permission_levels(endpoint.id),
    ]


def managing(client: Any, endpoint: Any) -> list[Callable[[], Any]]:
    api, root = client.serving_endpoints, f"/api/2.0/serving-endpoints/{endpoint.name}"
    entry = Entry(user_name="bob@example.org", permission_level=Level.CAN_MANAGE)
    return [
        lambda: api.update_config(endpoint.name, served_entities=[entity(2)]),
        lambda: api.patch(endpoint.name, delete_tags=["a"]),
        lambda: api.put_ai_gateway(endpoint.name),
        lambda: api.put(endpoint.name),
        lambda: api.update_notifications(endpoint.name),
        lambda: api.patch_telemetry_config(endpoint.name),
        lambda: api.set_permissions(endpoint.id, access_control_list=[entry]),
        lambda: api.update_permissions(endpoint.id, access_control_list=[entry]),
        lambda: client.api_client.do("POST", f"{root}/config:stop"),
        lambda: client.api_client.do("POST", f"{root}/config:start"),
        lambda: client.api_client.do("POST", f"{root}/config:cancel"),
        lambda: api.delete(endpoint.name),
    ]


def test_the_creator_and_admins_manage(w: Any, churn: Any) -> None:
    permissions = w.serving_endpoints.get_permissions(churn.id)
    assert (permissions.object_id, permissions.object_type) == (f"/serving-endpoints/{churn.id}", "serving-endpoint")
    assert listed(permissions) == {"ada@example.org": [("CAN_MANAGE", False)], "admins": [("CAN_MANAGE", True)]}
    assert permissions.access_control_list[1].all_permissions[0].inherited_from_object == ["/serving-endpoints/"]
    levels = w.serving_endpoints.get_permission_levels(churn.id).permission_levels
    assert {level.permission_level for level in levels} == {Level.CAN_VIEW, Level.CAN_QUERY, Level.CAN_MANAGE}
    assert w.permissions.get("serving-endpoints", churn.id).object_id == permissions.object_id


def test_a_member_without_a_permission_sees_nothing(w: Any, churn: Any, member: Member) -> None:
    bob = member("bob")
    assert list(bob.serving_endpoints.list()) == []
    for call in viewing(bob, churn):
        with pytest.raises(errors.PermissionDenied) as refusal:
            call()
        assert refusal.value.args[0].startswith("User does not have permission 'View' on Endpoint churn.")
    for call in managing(bob, churn):
        with pytest.raises(errors.PermissionDenied, match="User does not have permission 'Manage' on Endpoint churn"):
            call()
    assert may_query(churn) == {"ada"}
    assert w.serving_endpoints.get("churn").config.config_version == 1


@pytest.mark.parametrize("level", [Level.CAN_VIEW, Level.CAN_QUERY])
def test_who_may_view_or_query_may_not_manage(w: Any, churn: Any, member: Member, level: Level) -> None:
    bob = member("bob")
    give(w, churn, level)
    for call in viewing(bob, churn):
        call()
    assert [e.name for e in bob.serving_endpoints.list()] == ["churn"]
    assert bob.serving_endpoints.get("churn").permission_level.value == level.value
    for call in managing(bob, churn):
        with pytest.raises(errors.PermissionDenied, match="User does not have permission 'Manage'"):
            call()
    assert may_query(churn) == ({"ada"} if level is Level.CAN_VIEW else {"ada", "bob"})


def test_who_may_manage_does(w: Any, churn: Any, member: Member) -> None:
    bob = member("bob")
    give(w, churn, Level.CAN_MANAGE)
    assert bob.serving_endpoints.get("churn").permission_level.value == "CAN_MANAGE"
    give(bob, churn, Level.CAN_VIEW, "ada")
    assert w.serving_endpoints.get("churn").permission_level.value == "CAN_MANAGE"  # she is an admin
    bob.api_client.do("POST", "/api/2.0/serving-endpoints/churn/config:stop")
    bob.serving_endpoints.delete("churn")
    assert list(w.serving_endpoints.list()) == []


def test_an_instructor_who_is_made_admin_manages_everything(w: Any, churn: Any, member: Member, client_of: Any) -> None:
    grace = member("grace", role="instructor", is_admin=True)
    assert grace.serving_endpoints.get("churn").permission_level.value == "CAN_MANAGE"
    assert may_query(churn) == {"ada", "grace"}
    grace.serving_endpoints.patch("churn", add_tags=[serving.EndpointTag("seen", "yes")])
    with pytest.raises(errors.ResourceDoesNotExist):  # her own workspace is another one
        client_of("grace").serving_endpoints.get("churn")


@pytest.mark.parametrize("role", ["learner", "instructor"])
def test_another_tenant_finds_no_such_endpoint(w: Any, churn: Any, client_of: Any, role: str) -> None:
    eve = client_of("eve", role)
    attempts = [*viewing(eve, churn), *managing(eve, churn)]
    missing = serving.ServingEndpointDetailed(name="missing", id="0" * 32)
    others = [*viewing(eve, missing), *managing(eve, missing)]
    for call, other in zip(attempts, others, strict=True):
        with pytest.raises(errors.ResourceDoesNotExist) as refusal:
            call()
        with pytest.raises(errors.ResourceDoesNotExist) as same:
            other()
        told = refusal.value.args[0].replace(churn.id, "0" * 32).replace("churn", "missing")
        assert told == same.value.args[0]


def test_a_stranger_gets_401(site: str, churn: Any) -> None:
    from sandbox.serving.urls import OPERATIONS

    for address, _ in OPERATIONS:
        path = (
            address.replace("<str:endpoint_id>", churn.id).replace("<str:name>", "churn").replace("<str:served_name>", "churn-1")
        )
        for headers in ({}, {"Authorization": "Bearer dapi0"}):
            assert httpx.get(f"{site}/{path}", headers=headers).status_code == 401, path


def test_put_replaces_and_patch_adds(w: Any, churn: Any, member: Member) -> None:
    member("bob")
    member("carol")
    group = w.groups.create(display_name="analysts")
    give(w, churn, Level.CAN_VIEW)
    given = w.serving_endpoints.update_permissions(
        churn.id, access_control_list=[Entry(group_name="analysts", permission_level=Level.CAN_QUERY)]
    )
    assert listed(given) == {
        "ada@example.org": [("CAN_MANAGE", False)],
        "bob@example.org": [("CAN_VIEW", False)],
        "analysts": [("CAN_QUERY", False)],
        "admins": [("CAN_MANAGE", True)],
    }
    replaced = w.serving_endpoints.set_permissions(
        churn.id, access_control_list=[Entry(user_name="carol@example.org", permission_level=Level.CAN_QUERY)]
    )
    assert listed(replaced) == {"carol@example.org": [("CAN_QUERY", False)], "admins": [("CAN_MANAGE", True)]}
    assert may_query(churn) == {"ada", "carol"}
    assert listed(w.serving_endpoints.set_permissions(churn.id)) == {"admins": [("CAN_MANAGE", True)]}
    assert may_query(churn) == {"ada"}
    w.groups.delete(group.id)


def test_a_group_gives_what_it_was_given_to_who_is_in_it(w: Any, churn: Any, member: Member) -> None:
    bob = member("bob")
    bobs_id = next(user.id for user in w.users.list() if user.user_name == "bob@example.org")
    group = w.groups.create(display_name="analysts", members=[iam.ComplexValue(value=bobs_id)])
    entry = Entry(group_name="analysts", permission_level=Level.CAN_QUERY)
    w.serving_endpoints.update_permissions(churn.id, access_control_list=[entry])
    assert bob.serving_endpoints.get("churn").permission_level.value == "CAN_QUERY"
    assert may_query(churn) == {"ada", "bob"}

    leave = iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{bobs_id}"]')
    w.groups.patch(group.id, operations=[leave], schemas=[iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP])
    with pytest.raises(errors.PermissionDenied):
        bob.serving_endpoints.get("churn")
    assert may_query(churn) == {"ada"}

    join = iam.Patch(op=iam.PatchOp.ADD, value={"members": [{"value": bobs_id}]})
    w.groups.patch(group.id, operations=[join])
    assert may_query(churn) == {"ada", "bob"}
    w.groups.delete(group.id)
    assert may_query(churn) == {"ada"}
    w.groups.create(display_name="analysts", members=[iam.ComplexValue(value=bobs_id)])  # not the group that was given it
    assert may_query(churn) == {"ada"}


def test_everybody_of_the_workspace_by_the_group_users(w: Any, churn: Any, member: Member) -> None:
    entry = Entry(group_name="users", permission_level=Level.CAN_QUERY)
    w.serving_endpoints.update_permissions(churn.id, access_control_list=[entry])
    bob = member("bob")
    assert may_query(churn) == {"ada", "bob"}
    assert bob.serving_endpoints.get("churn").permission_level.value == "CAN_QUERY"


def test_who_leaves_the_workspace_loses_everything(w: Any, churn: Any, member: Member) -> None:
    bob = member("bob")
    give(w, churn, Level.CAN_MANAGE)
    bobs_id = next(iter(w.users.list(filter='userName eq "bob@example.org"'))).id
    w.users.delete(bobs_id)
    with pytest.raises(errors.Unauthenticated):
        bob.serving_endpoints.list()
    assert may_query(churn) == {"ada"}
    assert "bob@example.org" not in listed(w.serving_endpoints.get_permissions(churn.id))
    member("bob")
    assert may_query(churn) == {"ada"}


def test_who_leaves_the_workspace_leaves_it_with_an_expired_token_too(w: Any, churn: Any, member: Member) -> None:
    from sandbox.workspaces.models import Token

    bob = member("bob")
    bobs_id = bob.current_user.me().id
    expired = bob.tokens.create(lifetime_seconds=60).token_info.token_id
    Token.objects.filter(id=expired).update(expires_at="2020-01-01T00:00:00Z")
    w.users.delete(bobs_id)
    with pytest.raises(errors.Unauthenticated):
        bob.current_user.me()
    assert not Token.objects.filter(user_id=bobs_id, revoked_at=None).exists()


def test_a_token_that_is_made_while_its_person_is_removed_opens_nothing(w: Any, site: str, churn: Any, member: Member) -> None:
    """What a request does that was let in just before the removal."""
    from sandbox.workspaces.models import User
    from sandbox.workspaces.operations import digest, issue_token, live_token, open_workspace

    bobs_id = member("bob").current_user.me().id
    w.users.delete(bobs_id)
    _, plain = issue_token(open_workspace(User.objects.get(username="ada")), User.objects.get(pk=bobs_id))
    late = WorkspaceClient(config=Config(host=site, token=plain, retry_timeout_seconds=5))
    with pytest.raises(errors.Unauthenticated):
        late.current_user.me()
    assert live_token(digest(plain)) is None


@pytest.mark.parametrize(
    ("entry", "error", "sentence"),
    [
        (Entry(user_name="nobody@example.org", permission_level=Level.CAN_VIEW), errors.ResourceDoesNotExist,
         "Principal: UserName(nobody@example.org) does not exist"),
        (Entry(group_name="nobodies", permission_level=Level.CAN_VIEW), errors.ResourceDoesNotExist,
         "Principal: GroupName(nobodies) does not exist"),
        (Entry(service_principal_name="robot", permission_level=Level.CAN_VIEW), errors.ResourceDoesNotExist,
         "Principal: ServicePrincipalName(robot) does not exist"),
        (Entry(group_name="admins", permission_level=Level.CAN_VIEW), errors.InvalidParameterValue,
         "Cannot change permissions for group 'admins' to CAN_VIEW"),
        (Entry(permission_level=Level.CAN_VIEW), errors.InvalidParameterValue, "names exactly one of user_name"),
        (Entry(user_name="ada@example.org", group_name="users", permission_level=Level.CAN_VIEW),
         errors.InvalidParameterValue, "names exactly one of user_name"),
        (Entry(user_name="ada@example.org"), errors.InvalidParameterValue, "permission_level: This field is required."),
    ],
)  # fmt: skip
def test_a_wrong_entry(w: Any, churn: Any, entry: Entry, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as refusal:
        w.serving_endpoints.set_permissions(churn.id, access_control_list=[entry])
    assert sentence in refusal.value.args[0]
    assert listed(w.serving_endpoints.get_permissions(churn.id))["ada@example.org"] == [("CAN_MANAGE", False)]


def test_a_principal_comes_once(w: Any, churn: Any) -> None:
    entries = [Entry(group_name="users", permission_level=level) for level in (Level.CAN_VIEW, Level.CAN_QUERY)]
    with pytest.raises(errors.InvalidParameterValue, match="names users more than once"):
        w.serving_endpoints.set_permissions(churn.id, access_control_list=entries)


def test_a_member_creates_manages_and_shares(w: Any, member: Member) -> None:
    bob = member("bob")
    member("carol")
    created = bob.serving_endpoints.create(name="bobs", config=config(1)).response
    assert (created.creator, created.permission_level.value) == ("bob@example.org", "CAN_MANAGE")
    assert listed(bob.serving_endpoints.get_permissions(created.id)) == {
        "bob@example.org": [("CAN_MANAGE", False)],
        "admins": [("CAN_MANAGE", True)],
    }
    give(bob, created, Level.CAN_QUERY, "carol")
    assert may_query(created) == {"ada", "bob", "carol"}
    assert w.serving_endpoints.get("bobs").permission_level.value == "CAN_MANAGE"


def test_a_member_reads_no_secret_by_an_endpoint(w: Any, member: Member) -> None:
    w.secrets.create_scope("llm")
    w.secrets.put_secret("llm", "key", string_value="sk-real")
    bob = member("bob")
    reads = serving.EndpointCoreConfigInput(
        name="bobs", served_entities=[entity(1, environment_vars={"KEY": "{{secrets/llm/key}}"})]
    )
    with pytest.raises(errors.PermissionDenied, match="Served entity churn-1 refers to secrets"):
        bob.serving_endpoints.create(name="bobs", config=reads)
    w.serving_endpoints.create(name="adas", config=reads)


def test_a_member_logs_only_where_tables_may_be_made(w: Any, member: Member, client_of: Any) -> None:
    w.schemas.create(name="closed", catalog_name="main")
    bob, eve = member("bob"), client_of("eve")
    capture = serving.AutoCaptureConfigInput(catalog_name="main", schema_name="closed", table_name_prefix="x")
    logging = serving.EndpointCoreConfigInput(name="bobs", served_entities=[entity(1)], auto_capture_config=capture)
    gateway_table = serving.AiGatewayInferenceTableConfig(enabled=True, catalog_name="main", schema_name="closed")
    bob.serving_endpoints.create(name="plain", config=config(1))
    activate("plain")
    for call in (
        lambda: bob.serving_endpoints.create(name="bobs", config=logging),
        lambda: bob.serving_endpoints.update_config("plain", served_entities=[entity(1)], auto_capture_config=capture),
        lambda: bob.serving_endpoints.put_ai_gateway("plain", inference_table_config=gateway_table),
    ):
        with pytest.raises(errors.PermissionDenied, match=r"does not have CREATE TABLE on Schema 'main\.closed'"):
            call()
    nowhere = serving.AiGatewayInferenceTableConfig(enabled=True, catalog_name="theirs", schema_name="x")
    with pytest.raises(errors.NotFound, match="Catalog 'theirs' does not exist"):
        bob.serving_endpoints.put_ai_gateway("plain", inference_table_config=nowhere)
    with pytest.raises(errors.NotFound):
        eve.serving_endpoints.put_ai_gateway("plain", inference_table_config=gateway_table)

    rights = [catalog.PermissionsChange(principal="bob@example.org", add=[catalog.Privilege.CREATE_TABLE])]
    w.grants.update("schema", "main.closed", changes=rights)
    bob.serving_endpoints.create(name="bobs", config=logging)

    w.serving_endpoints.put_ai_gateway("plain", inference_table_config=gateway_table)
    rights[0].add, rights[0].remove = None, [catalog.Privilege.CREATE_TABLE]
    w.grants.update("schema", "main.closed", changes=rights)
    again = bob.serving_endpoints.put_ai_gateway("plain", inference_table_config=gateway_table)
    assert again.inference_table_config.schema_name == "closed"  # what an admin switched on stays when a member sends it along


def test_a_member_keeps_to_what_has_permissions(w: Any, member: Member) -> None:
    w.secrets.create_scope("llm")
    bob = member("bob")
    for call in (
        lambda: list(bob.secrets.list_scopes()),
        lambda: bob.secrets.get_secret("llm", "key"),
        lambda: bob.warehouses.stop("sandbox"),
        lambda: bob.users.create(user_name="eve@example.org"),
        lambda: bob.groups.create(display_name="mine"),
    ):
        with pytest.raises(errors.PermissionDenied):
            call()
    assert {user.user_name for user in bob.users.list()} == {"ada@example.org", "bob@example.org"}
    assert [t.comment for t in bob.tokens.list()] == [""]
    mine = bob.tokens.create(comment="mine")
    assert {t.comment for t in bob.tokens.list()} == {"", "mine"}
    assert "mine" not in {t.comment for t in w.tokens.list()}
    with pytest.raises(errors.ResourceDoesNotExist):
        w.tokens.delete(mine.token_info.token_id)


def test_users_and_groups(w: Any, member: Member, client_of: Any) -> None:
    member("bob")
    people = {user.user_name: user for user in w.users.list()}
    assert set(people) == {"ada@example.org", "bob@example.org"}
    assert [g.display for g in people["ada@example.org"].groups] == ["admins", "users"]
    assert [g.display for g in people["bob@example.org"].groups] == ["users"]
    assert {g.display for g in w.current_user.me().groups} == {"admins", "users"}
    groups = {group.display_name: {m.display for m in group.members} for group in w.groups.list()}
    assert groups == {"admins": {"ada@example.org"}, "users": {"ada@example.org", "bob@example.org"}}
    assert w.users.get(people["bob@example.org"].id).user_name == "bob@example.org"
    assert [u.user_name for u in w.users.list(filter='userName co "BOB"')] == ["bob@example.org"]
    with pytest.raises(errors.ResourceAlreadyExists):
        w.users.create(user_name="bob@example.org")
    with pytest.raises(errors.InvalidParameterValue, match=r"no account with the user name x@example\.org"):
        w.users.create(user_name="x@example.org")
    with pytest.raises(errors.InvalidParameterValue, match="owner cannot be removed"):
        w.users.delete(people["ada@example.org"].id)
    eve = client_of("eve")
    with pytest.raises(errors.ResourceDoesNotExist):
        w.users.get(eve.current_user.me().id)
    with pytest.raises(errors.ResourceAlreadyExists):
        w.groups.create(display_name="users")


def test_admin_rights_come_and_go_with_the_group(w: Any, churn: Any, member: Member) -> None:
    bob = member("bob")
    bobs_id = bob.current_user.me().id
    w.groups.patch("admins", operations=[iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": bobs_id}])])
    assert bob.serving_endpoints.get("churn").permission_level.value == "CAN_MANAGE"
    assert may_query(churn) == {"ada", "bob"}
    w.groups.patch("admins", operations=[iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{bobs_id}"]')])
    with pytest.raises(errors.PermissionDenied):
        bob.serving_endpoints.get("churn")
    assert may_query(churn) == {"ada"}


def test_metrics_of_preconfigured_endpoints_would_tell_of_other_workspaces(w: Any) -> None:
    from sandbox.serving.models import Endpoint
    from sandbox.workspaces.operations import system_workspace

    Endpoint.objects.create(
        workspace=system_workspace(), name="databricks-bge", kind="foundation", creator="system", config_update="NOT_UPDATING"
    )
    with pytest.raises(errors.PermissionDenied, match="shared by all workspaces"):
        w.serving_endpoints.export_metrics("databricks-bge")


def test_the_preconfigured_endpoints_are_everybodys(w: Any) -> None:
    from sandbox.serving.models import Endpoint
    from sandbox.workspaces.operations import system_workspace

    shared = Endpoint.objects.create(
        workspace=system_workspace(), name="databricks-bge", kind="foundation", creator="system", config_update="NOT_UPDATING"
    )
    permissions = w.serving_endpoints.get_permissions(shared.id)
    assert listed(permissions) == {"users": [("CAN_QUERY", True)]}
    assert w.serving_endpoints.get("databricks-bge").permission_level.value == "CAN_QUERY"
    with pytest.raises(errors.PermissionDenied, match="is preconfigured"):
        w.serving_endpoints.set_permissions(shared.id)
    with pytest.raises(errors.PermissionDenied, match="is preconfigured"):
        w.serving_endpoints.patch("databricks-bge", delete_tags=["a"])


def test_who_manages_an_endpoint_has_telemetry_written_only_where_she_may_make_tables(w: Any, churn: Any, member: Member) -> None:
    bob = member("bob")
    give(w, churn, Level.CAN_MANAGE)
    w.schemas.create("closed", "main")
    asked = serving.TelemetryConfig(table_names=serving.UnityCatalogTableNames(logs_table="main.closed.logs"))
    with pytest.raises(errors.PermissionDenied):
        bob.serving_endpoints.patch_telemetry_config(churn.name, telemetry_config=asked)
    assert w.serving_endpoints.get(churn.name).telemetry_config is None
    assert not w.tables.exists("main.closed.logs").table_exists
    w.serving_endpoints.patch_telemetry_config(churn.name, telemetry_config=asked)
    profile = w.serving_endpoints.get(churn.name).telemetry_config
    with pytest.raises(errors.PermissionDenied):
        bob.serving_endpoints.patch_telemetry_config(churn.name, telemetry_config=profile)
    for privilege in (catalog.Privilege.USE_SCHEMA, catalog.Privilege.MODIFY):
        change = catalog.PermissionsChange(principal="bob@example.org", add=[privilege])
        w.grants.update("SCHEMA", "main.closed", changes=[change])
    assert bob.serving_endpoints.patch_telemetry_config(churn.name, telemetry_config=profile).telemetry_config == profile
