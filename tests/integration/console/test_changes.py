"""What the pages change: config, tags, addresses, permissions, the clock; each through the operation of the REST API."""

import pytest
from django.test import Client

from sandbox.serving.models import Endpoint
from sandbox.workspaces import secret_store
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace
from tests.browser.endpoint_rows import custom, make_endpoint, register_model

pytestmark = pytest.mark.django_db
AT = "/sandbox/serving/churn"


@pytest.fixture
def churn(learner: User) -> Endpoint:
    entity = custom("churn", "1", environment_vars={"MODE": "fast"}, instance_profile_arn="arn:1")
    register_model(open_workspace(learner), "main.default.churn", 1)
    return make_endpoint(open_workspace(learner), "churn", [entity])


@pytest.fixture
def client(learner: User) -> Client:
    signed = Client()
    signed.force_login(learner, backend="django.contrib.auth.backends.ModelBackend")
    return signed


def edited(**typed: str) -> dict[str, str]:
    row = {
        "model": "main.default.churn@1",
        "name": "churn-1",
        "workload_type": "GPU_SMALL",
        "workload_size": "range",
        "min_provisioned_concurrency": "4",
        "max_provisioned_concurrency": "8",
        "traffic_percentage": "100",
        "environment_vars": "MODE=slow",
        "instance_profile_arn": "arn:1",
    }
    form = {f"entities-0-{name}": value for name, value in (row | typed).items()}
    return form | {
        "entities-TOTAL_FORMS": "1",
        "entities-INITIAL_FORMS": "0",
        "capture-enabled": "on",
        "capture-catalog_name": "main",
        "capture-schema_name": "ops",
    }


def test_the_edit_page_shows_the_config_as_it_is(client: Client, churn: Endpoint) -> None:
    html = client.get(f"{AT}/edit/").content.decode()
    assert 'value="main.default.churn@1" selected' in html
    assert "MODE=fast" in html
    assert "update_config_and_wait" in html


def test_an_edited_config_rolls_out(client: Client, churn: Endpoint) -> None:
    answer = client.post(f"{AT}/edit/", edited())
    assert (answer.status_code, answer["Location"]) == (302, f"{AT}/overview/")
    churn.refresh_from_db()
    pending = churn.configs.get(config_version=churn.pending_version)
    entity = pending.entities.get()
    assert churn.config_update == "IN_PROGRESS"
    assert (entity.workload_type, entity.workload_size) == ("GPU_SMALL", "")
    assert (entity.min_provisioned_concurrency, entity.max_provisioned_concurrency) == (4, 8)
    assert (entity.environment_vars, entity.instance_profile_arn) == ({"MODE": "slow"}, "arn:1")
    assert pending.auto_capture_config["schema_name"] == "ops"


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"max_provisioned_concurrency": "6"}, "max_provisioned_concurrency", "must be a multiple of 4, not 6"),
        ({"environment_vars": "KEY={{secrets/a/b}}"}, "environment_vars", "refers to {{secrets/a/b}}"),
        ({"traffic_percentage": ""}, "traffic_percentage", "Say how much"),
    ],
)
def test_a_refused_edit_keeps_what_was_typed(
    typed: dict[str, str], field: str, sentence: str, client: Client, churn: Endpoint
) -> None:
    answer = client.post(f"{AT}/edit/", edited(name="my-name", **typed))
    html = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in html.split(f'id="error_entities-0-{field}"')[1].split("</div>")[0]
    assert 'value="my-name"' in html
    churn.refresh_from_db()
    assert churn.config_update == "NOT_UPDATING"


def test_the_preview_is_the_body_that_would_be_sent(client: Client, churn: Endpoint) -> None:
    html = client.post("/sandbox/call-preview/", edited() | {"updates": "churn"}).content.decode()
    assert "workload_type=ServingModelWorkloadType.GPU_SMALL" in html
    assert "/api/2.0/serving-endpoints/churn/config" in html


def test_the_preview_shows_no_key(client: Client) -> None:
    typed = {"name": "chat", "kind": "external", "external-0-api_key_plaintext": "sk-very-secret", "external-0-model": "m"}
    html = client.post("/sandbox/call-preview/", typed | {"external-TOTAL_FORMS": "1", "external-INITIAL_FORMS": "0"})
    assert "sk-very-secret" not in html.content.decode()
    assert "&lt;your key&gt;" in html.content.decode()


def test_secrets_are_offered_by_name(client: Client, churn: Endpoint) -> None:
    secret_store.create_scope(churn.workspace, "openai")
    secret_store.put_secret(churn.workspace, "openai", "key", "sk-very-secret")
    html = client.get(f"{AT}/edit/").content.decode()
    assert "<option>{{secrets/openai/key}}</option>" in html
    assert "sk-very-secret" not in html


def test_tags_are_replaced_by_what_is_typed(client: Client, churn: Endpoint) -> None:
    Endpoint.objects.filter(id=churn.id).update(tags=[{"key": "old", "value": "1"}, {"key": "team", "value": "a"}])
    assert client.post(f"{AT}/settings/", {"form": "tags", "tags": "team=growth\npilot"}).status_code == 302
    churn.refresh_from_db()
    assert {tag["key"]: tag["value"] for tag in churn.tags} == {"team": "growth", "pilot": ""}


def test_a_wrong_tag_stands_at_its_field(client: Client, churn: Endpoint) -> None:
    answer = client.post(f"{AT}/settings/", {"form": "tags", "tags": "team=a\nteam=b"})
    assert answer.status_code == 422
    assert "Line 2 gives team a second time" in answer.content.decode().split('id="error_tags"')[1]


def test_addresses_are_kept(client: Client, churn: Endpoint) -> None:
    typed = {"form": "notifications", "on_update_success": "a@example.org\nb@example.org", "on_update_failure": ""}
    assert client.post(f"{AT}/settings/", typed).status_code == 302
    churn.refresh_from_db()
    assert churn.email_notifications["on_update_success"] == ["a@example.org", "b@example.org"]


def test_a_wrong_address_is_named(client: Client, churn: Endpoint) -> None:
    answer = client.post(f"{AT}/settings/", {"form": "notifications", "on_update_success": "", "on_update_failure": "nobody"})
    assert answer.status_code == 422
    assert "It must be an e-mail address." in answer.content.decode().split('id="error_on_update_failure"')[1]
    assert ">\nnobody</textarea>" in answer.content.decode()


def test_rate_limits_are_kept_beside_those_of_groups(client: Client, churn: Endpoint) -> None:
    group = {"calls": 7, "key": "user_group", "principal": "users", "renewal_period": "minute"}
    own = {"usage_tracking_config": {"enabled": True}, "rate_limits": [{"calls": 9, "renewal_period": "minute"}, group]}
    Endpoint.objects.filter(id=churn.id).update(ai_gateway=own)
    html = client.get(f"{AT}/settings/").content.decode()
    assert 'name="endpoint_calls" value="9"' in html
    assert "Group users: 7 calls a minute" in html
    assert "put_ai_gateway" in html
    assert "Tokens of each user" not in html  # custom models have limits in calls only

    assert client.post(f"{AT}/settings/", {"form": "limits", "endpoint_calls": "", "user_calls": "3"}).status_code == 302
    churn.refresh_from_db()
    assert churn.ai_gateway == {
        "usage_tracking_config": {"enabled": True},
        "rate_limits": [{"calls": 3, "key": "user", "renewal_period": "minute"}, group],
    }
    answer = client.post(f"{AT}/settings/", {"form": "limits", "endpoint_calls": "-1"})
    assert answer.status_code == 422
    assert "greater than or equal to 0" in answer.content.decode().split('id="error_endpoint_calls"')[1]


def test_permissions_are_given_changed_and_removed(client: Client, churn: Endpoint, stranger: User) -> None:
    def post(**typed: str) -> int:
        return client.post(f"{AT}/permissions/", typed).status_code

    def given() -> list[str]:
        return list(churn.permissions.filter(user=stranger).values_list("level", flat=True))

    assert post(action="give", principal="user_name:stranger", permission_level="CAN_VIEW") == 422
    assert post(action="join", member="stranger") == 302
    assert post(action="give", principal="user_name:stranger", permission_level="CAN_VIEW") == 302
    assert given() == ["CAN_VIEW"]
    assert post(action="change", entry="user_name:stranger", permission_level="CAN_QUERY") == 302
    assert given() == ["CAN_QUERY"]
    assert post(action="give", principal="group_name:users", permission_level="CAN_VIEW") == 302
    assert post(action="remove", entry="user_name:stranger") == 302
    assert given() == []
    assert churn.permissions.filter(group_name="users", level="CAN_VIEW").exists()


def test_who_has_no_account_cannot_be_let_in(client: Client, churn: Endpoint) -> None:
    answer = client.post(f"{AT}/permissions/", {"action": "join", "member": "nobody"})
    assert answer.status_code == 422
    assert "There is no account" in answer.content.decode().split('id="error_member"')[1]


@pytest.mark.parametrize(("factor", "wanted"), [("60", 60.0), ("7", 1.0), ("", 1.0)])
def test_the_clock_runs_as_fast_as_was_chosen(factor: str, wanted: float, client: Client, churn: Endpoint) -> None:
    answer = client.post("/sandbox/clock/", {"factor": factor, "next": f"{AT}/overview/"})
    assert answer["Location"] == f"{AT}/overview/"
    churn.workspace.refresh_from_db()
    assert churn.workspace.clock_factor == wanted


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org/", "javascript:alert(1)", ""])
def test_the_clock_leads_nowhere_else(back: str, client: Client) -> None:
    assert client.post("/sandbox/clock/", {"factor": "1", "next": back})["Location"] == "/sandbox/serving/"


def test_stopping_and_starting_ask_first(client: Client, churn: Endpoint) -> None:
    assert "Stop churn?" in client.get(f"{AT}/do/stop/").content.decode()
    assert client.post(f"{AT}/do/stop/").status_code == 302
    churn.refresh_from_db()
    assert churn.is_stopped
    assert "This endpoint is stopped." in client.get(f"{AT}/overview/").content.decode()
    assert client.post(f"{AT}/do/start/").status_code == 302
    churn.refresh_from_db()
    assert (churn.config_update, churn.pending_version) == ("IN_PROGRESS", 3)
    assert client.post(f"{AT}/do/cancel/").status_code == 302
    churn.refresh_from_db()
    assert churn.config_update == "UPDATE_CANCELED"


def test_a_refused_action_says_why(client: Client, churn: Endpoint) -> None:
    answer = client.post(f"{AT}/do/start/")
    assert answer.status_code == 422
    assert "is not stopped" in answer.content.decode()
    assert client.get(f"{AT}/do/explode/").status_code == 404
