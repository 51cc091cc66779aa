"""Who may open which page of an endpoint and do what on it: owner, members, instructor, stranger, another tenant."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from sandbox.serving.models import Endpoint, EndpointPermission
from sandbox.workspaces.members import add_member
from sandbox.workspaces.models import Token, User
from sandbox.workspaces.operations import issue_token, open_workspace, system_workspace
from tests.browser.endpoint_rows import custom, foundation, make_endpoint
from tests.embedded_redis import point_at, running_redis

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "churn"
VIEWED = ("overview", "query", "metrics", "metrics.csv", "events", "logs", "logs/build.log", "permissions")
MANAGED = ("edit", "settings", "delete", "do/stop", "do/start", "do/cancel")
PEOPLE = ("owner", "admin", "CAN_MANAGE", "CAN_QUERY", "CAN_VIEW", "nothing", "instructor", "stranger")
KNOWS = {"owner", "admin", "CAN_MANAGE", "CAN_QUERY", "CAN_VIEW"}
MANAGES = {"owner", "admin", "CAN_MANAGE"}
Sign = Callable[[str], Client]


@pytest.fixture(scope="session")
def redis_url() -> Any:
    with running_redis() as url:
        yield url


@pytest.fixture(autouse=True)
def redis(redis_url: str, settings: Any) -> Any:
    return point_at(redis_url, settings)


@pytest.fixture
def churn(learner: User) -> Endpoint:
    """The owner's endpoint, with one person of each level; `nothing` is a member without a permission."""
    workspace = open_workspace(learner)
    endpoint = make_endpoint(workspace, NAME, [custom("churn", "1"), custom("churn", "2")], shares=(80, 20))
    for name in ("admin", "CAN_MANAGE", "CAN_QUERY", "CAN_VIEW", "nothing"):
        user = User.objects.create_user(name.lower())
        add_member(workspace, user.username, is_admin=name == "admin")
        if name.startswith("CAN"):
            EndpointPermission.objects.create(endpoint=endpoint, user=user, level=name)
    return endpoint


@pytest.fixture
def sign(churn: Endpoint, learner: User, instructor: User, stranger: User) -> Sign:
    """A browser of that person; members have chosen the owner's workspace."""

    def sign_in(who: str) -> Client:
        user = {"owner": learner, "instructor": instructor, "stranger": stranger}.get(who)
        user = user or User.objects.get(username=who.lower())
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        opened = client.post(f"/sandbox/workspaces/{churn.workspace_id}/open/")
        assert opened.status_code == (404 if who in {"instructor", "stranger"} else 302)
        return client

    return sign_in


@pytest.mark.parametrize("who", PEOPLE)
def test_pages_that_show(who: str, sign: Sign) -> None:
    client = sign(who)
    found = {page: client.get(f"/sandbox/serving/{NAME}/{_slashed(page)}") for page in VIEWED}
    wanted = 200 if who in KNOWS else 404
    assert {page: answer.status_code for page, answer in found.items()} == dict.fromkeys(VIEWED, wanted)
    if who not in KNOWS:
        missing = client.get("/sandbox/serving/not-there/overview/")
        theirs = found["query"]  # the first page also says which workspace was opened
        assert _text(missing) == _text(theirs)


@pytest.mark.parametrize("who", PEOPLE)
def test_pages_that_change(who: str, sign: Sign) -> None:
    client = sign(who)
    wanted = 200 if who in MANAGES else 403 if who in KNOWS else 404
    found = {page: client.get(f"/sandbox/serving/{NAME}/{page}/").status_code for page in MANAGED}
    assert found == dict.fromkeys(MANAGED, wanted)


@pytest.mark.parametrize("who", sorted(set(PEOPLE) - MANAGES))
def test_nothing_is_changed_by_who_may_not(who: str, sign: Sign, churn: Endpoint) -> None:
    client = sign(who)
    wanted = 403 if who in KNOWS else 404
    posts = {
        "traffic": {"share:churn-1": "50", "share:churn-2": "50"},
        "edit": {"entities-TOTAL_FORMS": "1"},
        "settings": {"form": "tags", "tags": "mine=yes"},
        "do/stop": {},
        "do/start": {},
        "do/cancel": {},
        "delete": {},
        "permissions": {"action": "give", "principal": "group_name:users", "permission_level": "CAN_MANAGE"},
    }
    found = {page: client.post(f"/sandbox/serving/{NAME}/{page}/", typed).status_code for page, typed in posts.items()}
    assert found == dict.fromkeys(posts, wanted)
    churn.refresh_from_db()
    assert (churn.config_update, churn.tags, churn.active_version) == ("NOT_UPDATING", [], 1)
    assert churn.permissions.filter(group_name="users").count() == 0


@pytest.mark.parametrize("who", ["CAN_VIEW", "nothing", "instructor", "stranger"])
def test_a_request_is_not_sent_for_who_may_not(who: str, sign: Sign) -> None:
    answer = sign(who).post(f"/sandbox/serving/{NAME}/query/", {"body": "{}", "times": "1"})
    assert answer.status_code == (403 if who in KNOWS else 404)
    assert not Token.objects.exists()


@pytest.mark.parametrize("who", sorted(KNOWS))
def test_buttons_are_there_for_who_may(who: str, sign: Sign) -> None:
    client = sign(who)
    overview = client.get(f"/sandbox/serving/{NAME}/overview/").content.decode()
    query = client.get(f"/sandbox/serving/{NAME}/query/").content.decode()
    permissions = client.get(f"/sandbox/serving/{NAME}/permissions/").content.decode()
    listed = client.get("/sandbox/serving/").content.decode()
    manages = who in MANAGES
    for words in ("/do/stop/", "/edit/", "/settings/", "Update the split"):
        assert (words in overview) is manages, words
    assert (f"Delete {NAME}" in listed) is manages
    assert ("Give a permission" in permissions) is manages
    assert ("Let somebody into the workspace" in permissions) is (who in {"owner", "admin"})
    assert ("Send request" in query) is (who != "CAN_VIEW")
    assert ("/inference-table/" in overview) is (who in {"owner", "admin"})


@pytest.mark.parametrize("who", PEOPLE)
def test_the_list_has_what_one_may_view(who: str, sign: Sign) -> None:
    listed = sign(who).get("/sandbox/serving/?q=churn").content.decode()
    assert (f"/sandbox/serving/{NAME}/overview/" in listed) is (who in KNOWS)


@pytest.mark.parametrize("who", ["CAN_MANAGE", "CAN_QUERY", "CAN_VIEW", "nothing"])
def test_what_is_for_admins_is_refused_to_members(who: str, sign: Sign) -> None:
    client = sign(who)
    for address in ("/sandbox/secrets/", f"/sandbox/serving/{NAME}/inference-table/"):
        assert client.get(address).status_code == 403, address
    assert client.post("/sandbox/clock/", {"factor": "60"}).status_code == 403
    assert client.post(f"/sandbox/serving/{NAME}/inference-table/sql/", {"sql": "SELECT 1"}).status_code in {403, 404}


def test_a_manager_who_is_no_admin_lets_nobody_in(sign: Sign, churn: Endpoint, stranger: User) -> None:
    typed = {"action": "join", "member": stranger.username}
    assert sign("CAN_MANAGE").post(f"/sandbox/serving/{NAME}/permissions/", typed).status_code == 403
    assert not churn.workspace.members.filter(user=stranger).exists()


def test_tokens_of_others_are_not_shown(sign: Sign, churn: Endpoint, learner: User) -> None:
    token, _ = issue_token(churn.workspace, learner, "the owner's laptop")
    client = sign("CAN_QUERY")
    assert "the owner's laptop" not in client.get("/sandbox/tokens/").content.decode()
    assert client.post(f"/sandbox/tokens/{token.id}/revoke/").status_code == 404


def test_another_tenant_has_an_endpoint_of_the_same_name(sign: Sign, stranger: User) -> None:
    make_endpoint(open_workspace(stranger), NAME, [custom("theirs", "1")])
    page = sign("stranger").get(f"/sandbox/serving/{NAME}/overview/").content.decode()
    assert "main.default.theirs" in page
    assert "churn-2" not in page


def test_a_member_who_was_removed_is_back_in_her_own_workspace(sign: Sign, churn: Endpoint) -> None:
    client = sign("CAN_VIEW")
    churn.workspace.members.filter(user__username="can_view").delete()
    assert client.get(f"/sandbox/serving/{NAME}/overview/").status_code == 404


def test_a_preconfigured_endpoint_says_nothing_of_others(sign: Sign) -> None:
    make_endpoint(system_workspace(), "databricks-bge-large-en", [foundation()], kind="foundation", task="llm/v1/embeddings")
    client = sign("owner")
    address = "/sandbox/serving/databricks-bge-large-en"
    assert "Shared by all workspaces" in client.get(f"{address}/metrics/").content.decode()
    assert client.get(f"{address}/metrics.csv").status_code == 404
    assert client.get(f"{address}/edit/").status_code == 403
    assert "No logs here" in client.get(f"{address}/logs/").content.decode()


def _slashed(page: str) -> str:
    return page if "." in page else f"{page}/"


def _text(answer: Any) -> str:
    """The page less what changes with each answer."""
    return "".join(line for line in answer.content.decode().splitlines() if "csrf" not in line.lower())
