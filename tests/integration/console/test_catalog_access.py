"""Who may open which page of the catalog and do what there: owner, members with and without grants, instructor, stranger."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from sandbox.catalog.models import Grant, Securable
from sandbox.models import User
from sandbox.workspaces.members import Caller, add_member
from sandbox.workspaces.operations import person
from tests.browser.catalog_rows import FUNCTION, MODEL, TABLE, VOLUME, keep_files_in, make_catalog

pytestmark = pytest.mark.django_db
BASE = "/sandbox/catalog/"
OBJECTS = {
    "catalog": f"{BASE}catalogs/main/",
    "schema": f"{BASE}schemas/main.default/",
    "table": f"{BASE}tables/{TABLE}/",
    "volume": f"{BASE}volumes/{VOLUME}/",
    "function": f"{BASE}functions/{FUNCTION}/",
    "model": f"/sandbox/models/{MODEL}/",
}
PEOPLE = ("owner", "admin", "manager", "reader", "browser", "nobody", "instructor", "stranger")
SEES_ALL = {"owner", "admin", "browser"}
Sign = Callable[[str], Client]


@pytest.fixture
def sign(settings: Any, tmp_path: Path, learner: User, instructor: User, stranger: User) -> Sign:
    """A browser of that person; members have chosen the owner's workspace, in which nobody was granted anything but here."""
    keep_files_in(tmp_path, settings)
    owner: Caller = make_catalog(learner)
    Grant.objects.all().delete()
    users = {"owner": learner, "instructor": instructor, "stranger": stranger}
    for name in ("admin", "manager", "reader", "browser", "nobody"):
        users[name] = User.objects.create_user(name)
        add_member(owner.workspace, name, is_admin=name == "admin")
    _grant(users["browser"], ("main", "BROWSE"))
    _grant(users["reader"], ("main", "USE_CATALOG"), ("main.default", "USE_SCHEMA"), (TABLE, "SELECT"))
    _grant(users["manager"], ("main", "USE_CATALOG"), ("main.default", "USE_SCHEMA"), (TABLE, "MANAGE"))

    def sign_in(who: str) -> Client:
        client = Client()
        client.force_login(users[who], backend="django.contrib.auth.backends.ModelBackend")
        client.post(f"/sandbox/workspaces/{owner.workspace.id}/open/")
        client.get("/sandbox/catalog/")  # shows the message on the workspace, once
        return client

    return sign_in


def _text(answer: Any) -> str:
    """The page less its token against forged requests, which differs each time."""
    return re.sub(r'"[A-Za-z0-9]{64}"', "", answer.content.decode())


def _grant(user: User, *granted: tuple[str, str]) -> None:
    for name, privilege in granted:
        Grant.objects.create(securable=Securable.objects.get(full_name=name), principal=person(user), privilege=privilege)


@pytest.mark.parametrize("who", PEOPLE)
def test_pages_that_show(who: str, sign: Sign) -> None:
    client = sign(who)
    seen = set(OBJECTS) if who in SEES_ALL else {"catalog", "schema", "table"} if who in {"manager", "reader"} else set()
    if who in {"instructor", "stranger"}:
        seen = {"catalog", "schema"}  # of her own workspace, which has the same names
    statuses = {name: client.get(url).status_code for name, url in OBJECTS.items()}
    wanted = {name: 200 if name in seen else 404 for name in OBJECTS}
    if who == "browser":
        wanted["volume"] = 403  # the page is there, and says that its files need READ_VOLUME
    assert statuses == wanted


def test_what_one_may_not_know_of_looks_like_what_is_not_there(sign: Sign) -> None:
    for who in ("nobody", "stranger"):
        client = sign(who)
        theirs = client.get(OBJECTS["table"])
        missing = client.get(OBJECTS["table"].replace("customers", "nothing"))
        assert (theirs.status_code, _text(theirs)) == (404, _text(missing))
        assert TABLE not in client.get(f"{BASE}?q=customers").content.decode()
        assert MODEL not in client.get("/sandbox/models/").content.decode()


@pytest.mark.parametrize(("who", "status"), [("owner", 200), ("admin", 200), ("reader", 200), ("manager", 403), ("browser", 403)])
def test_rows_need_select(who: str, status: int, sign: Sign) -> None:
    answer = sign(who).get(f"{OBJECTS['table']}sample/")
    assert answer.status_code == status
    assert ("Ada" in answer.content.decode()) == (status == 200)


@pytest.mark.parametrize(
    ("who", "allowed"), [("owner", True), ("admin", True), ("manager", True), ("reader", False), ("browser", False)]
)
def test_changes_need_manage(who: str, allowed: bool, sign: Sign) -> None:
    client, url = sign(who), OBJECTS["table"]
    shown = client.get(f"{url}details/").content.decode()
    assert ('name="form" value="owner"' in shown, "Delete this table" in shown) == (allowed, allowed)
    assert ("Grant privileges" in client.get(f"{url}permissions/").content.decode()) == allowed
    posts = {
        f"{url}details/": {"form": "comment", "comment": "changed"},
        f"{url}permissions/": {"action": "grant", "principal": "users", "privileges": ["SELECT"]},
        f"{url}delete/": {"name": "wrong"},
    }
    answers = [client.post(address, body).status_code for address, body in posts.items()]
    assert answers == ([302, 302, 422] if allowed else [403, 403, 403])
    assert Securable.objects.get(full_name=TABLE).comment == ("changed" if allowed else "Who buys from us")


def test_who_may_not_manage_sees_only_her_own_lines(sign: Sign) -> None:
    shown = sign("reader").get(f"{OBJECTS['table']}permissions/").content.decode()
    assert "reader" in shown
    assert "manager" not in shown


@pytest.mark.parametrize("who", ["reader", "browser", "nobody"])
def test_nothing_is_created_without_the_privilege(who: str, sign: Sign) -> None:
    client = sign(who)
    assert client.post(f"{BASE}new/catalogs/", {"name": "mine"}).status_code == 403
    assert client.post(f"{BASE}new/schemas/?in=main", {"name": "mine"}).status_code in {403, 404}
    assert client.post(f"{BASE}new/volumes/?in=main.default", {"name": "mine"}).status_code in {403, 404}
    assert not Securable.objects.filter(name="mine").exists()


def test_a_volume_s_files_need_read_volume_and_write_volume(sign: Sign) -> None:
    client, url = sign("browser"), OBJECTS["volume"]
    assert client.get(url).status_code == 403 or "churn.csv" not in client.get(url).content.decode()
    _grant(User.objects.get(username="browser"), ("main", "USE_CATALOG"), ("main", "USE_SCHEMA"), (VOLUME, "READ_VOLUME"))
    shown = client.get(url).content.decode()
    assert ("churn.csv" in shown, "data-upload" in shown) == (True, False)
    assert client.post(f"{url}upload-url/", {"name": "x"}).status_code == 403
    assert client.post(url, {"name": "folder"}).status_code == 422
    assert client.post(f"{url}delete-file/?path=churn.csv").status_code == 403
    assert "churn.csv" in client.get(url).content.decode()


def test_aliases_and_versions_need_manage(sign: Sign) -> None:
    client, url = sign("browser"), OBJECTS["model"]
    assert "Set the alias" not in client.get(url).content.decode()
    assert client.post(url, {"alias": "champion", "version": "2"}).status_code == 403
    assert client.post(f"{url}versions/1/", {"form": "comment", "comment": "x"}).status_code == 403
    assert client.post(f"{url}versions/1/delete/").status_code == 403


def test_lineage_hides_the_names_of_what_one_may_not_see(sign: Sign) -> None:
    sees = sign("owner").get(f"{OBJECTS['table']}lineage/").content.decode()
    assert f"{MODEL}/1" in sees
    hidden = sign("reader").get(f"{OBJECTS['table']}lineage/").content.decode()
    assert MODEL not in hidden
    assert "not yours to see" in hidden


def test_nobody_without_a_sign_in(client: Client, sign: Sign) -> None:
    for url in (*OBJECTS.values(), BASE, f"{BASE}tree/"):
        assert client.get(url).url.startswith("/login/")
