"""The SQL page: what it shows of a statement in each state, and to whom."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from sandbox.catalog.models import Grant, Securable
from sandbox.models import User
from sandbox.sql import statements
from sandbox.workspaces.members import Caller, add_member
from sandbox.workspaces.operations import open_workspace, person
from tests.browser.catalog_rows import HOSTILE, TABLE, keep_files_in, make_table

pytestmark = pytest.mark.django_db(transaction=True)
SQL = "/sandbox/sql/"
SLOW = "SELECT count(*) FROM range(1000000) a CROSS JOIN range(1000000) b WHERE a.id * b.id % 7 = 3"
HTMX = {"HTTP_HX_REQUEST": "true"}
Sign = Callable[[str], Client]


@pytest.fixture
def sign(settings: Any, tmp_path: Path, site_redis: Any, learner: User, instructor: User, stranger: User) -> Sign:
    """A browser of that person; `reader` and `nobody` work in the owner's workspace, the first may read its table."""
    keep_files_in(tmp_path, settings)
    owner = Caller(open_workspace(learner), learner)
    make_table(owner)
    users = {"owner": learner, "instructor": instructor, "stranger": stranger}
    for name in ("reader", "nobody"):
        users[name] = User.objects.create_user(name)
        add_member(owner.workspace, name)
    Grant.objects.all().delete()
    for full_name, privilege in (("main", "USE_CATALOG"), ("main.default", "USE_SCHEMA"), (TABLE, "SELECT")):
        on = Securable.objects.get(workspace=owner.workspace, full_name=full_name)
        Grant.objects.create(securable=on, principal=person(users["reader"]), privilege=privilege)

    def sign_in(who: str) -> Client:
        client = Client()
        client.force_login(users[who], backend="django.contrib.auth.backends.ModelBackend")
        client.post(f"/sandbox/workspaces/{owner.workspace.id}/open/")
        return client

    return sign_in


def run(client: Client, sql: str, scope: str = "main.default", **more: Any) -> str:
    """Send the statement as the page does without script; its id once it has ended."""
    answer = client.post(f"{SQL}run/", {"sql": sql, "scope": scope, **more})
    assert answer.status_code == 302, answer.content
    statement_id = str(answer.url.partition("statement=")[2])
    statements.wait(statement_id, 30)  # the test's database lets nobody read what another thread writes
    return statement_id


def shown(client: Client, statement_id: str, status: int = 200, more: str = "") -> str:
    answer = client.get(f"{SQL}?statement={statement_id}{more}")
    assert answer.status_code == status
    return answer.content.decode()


def cells(page: str) -> list[list[str]]:
    body = page.partition("data-result")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [[unescape(each) for each in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)] for row in rows]


def test_it_works(sign: Sign) -> None:
    client = sign("owner")
    typed = "SELECT id, name, tenure FROM customers ORDER BY id"
    statement_id = run(client, typed)
    page = shown(client, statement_id)
    assert cells(page) == [["1", "Ada", "3"], ["2", HOSTILE, "NULL"], ["3", "NULL", "NULL"]]
    assert HOSTILE not in page
    assert '<th scope="col" data-kind="number" class="number"><span data-name>id</span><span class="sample-type">bigint' in page
    assert '<td data-null class="sql-null number">NULL</td>' in page
    assert ("Succeeded</span>" in page, "<strong>3 rows</strong>" in page, f"{typed}</textarea>" in page) == (True, True, True)
    answer = client.get(f"{SQL}statements/{statement_id}/rows.csv")
    assert answer.content.decode().splitlines() == ["id,name,tenure", "1,Ada,3", f"2,{HOSTILE},", "3,,"]
    assert "statement-" in answer["Content-Disposition"]


def test_a_statement_that_fails(sign: Sign) -> None:
    client = sign("owner")
    typed = "SELECT nam FROM customers"
    page = shown(client, run(client, typed))
    assert "<code>UNRESOLVED_COLUMN.WITH_SUGGESTION</code>" in page
    assert 'data-near="nam"' in page
    assert f"{typed}</textarea>" in page
    for nothing in ("", "  \n"):
        answer = client.post(f"{SQL}run/", {"sql": nothing}, **HTMX)
        assert (answer.status_code, "There is no statement to run" in answer.content.decode()) == (422, True)
    long = client.post(f"{SQL}run/", {"sql": f"SELECT '{'x' * 20_000}'"})
    assert (long.status_code, "longer than 20,000 bytes" in long.content.decode()) == (422, True)


def test_the_part_that_was_chosen_is_run(sign: Sign) -> None:
    client = sign("owner")
    page = shown(client, run(client, "SELECT 1; SELECT 2", part="SELECT 2"))
    assert cells(page) == [["2"]]


def test_use_and_create_change_what_stands_beside(sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.console.sql.statement_views.FIRST_WAIT_S", 30)
    client = sign("owner")
    run(client, "CREATE SCHEMA feat")
    used = client.post(f"{SQL}run/", {"sql": "USE SCHEMA feat", "scope": "main.default"}, **HTMX).content.decode()
    assert "now mean those in <code>main.feat</code>" in used
    assert 'id="sql-scope" name="scope" hx-swap-oob="true"' in used
    assert '<option value="main.feat" selected>' in used
    assert '<option value="main.feat" selected>' in client.get(SQL).content.decode()
    made = client.post(f"{SQL}run/", {"sql": "CREATE TABLE t (x INT)", "scope": "main.feat"}, **HTMX).content.decode()
    assert 'hx-swap-oob="outerHTML:#catalog-tree > :last-child"' in made
    assert Securable.objects.filter(full_name="main.feat.t").exists()


def test_many_rows_come_page_by_page(sign: Sign) -> None:
    client = sign("owner")
    statement_id = run(client, "SELECT explode(sequence(1, 10001)) AS n")
    page = shown(client, statement_id, more="&page=3")
    assert (len(cells(page)), cells(page)[0], cells(page)[-1]) == (500, ["1001"], ["1500"])
    assert "1,001–1,500 of 10,000" in page
    assert "The result was cut" in page
    fragment = client.get(f"{SQL}statements/{statement_id}/?page=20", **HTMX).content.decode()
    assert cells(fragment)[-1] == ["10000"]
    assert "<html" not in fragment


def test_cancel(sign: Sign) -> None:
    client = sign("owner")
    answer = client.post(f"{SQL}run/", {"sql": SLOW, "scope": "main.default"}, **HTMX)
    running = answer.content.decode()
    statement_id = answer["HX-Replace-Url"].partition("statement=")[2]
    assert ('id="sql-cancel"' in running, 'hx-trigger="every 1s, refresh"' in running) == (True, True)
    assert statement_id in client.get(f"{SQL}history/?state=RUNNING").content.decode()
    assert f"{SLOW}</textarea>" in shown(client, statement_id)  # another tab has it too
    for who in ("reader", "stranger"):
        assert sign(who).post(f"{SQL}statements/{statement_id}/cancel/").status_code == 404
    assert "HX-Retarget" not in client.get(f"{SQL}statements/{statement_id}/state/", **HTMX)
    canceled = client.post(f"{SQL}statements/{statement_id}/cancel/", **HTMX).content.decode()
    assert ("Canceled</span>" in canceled, "sql-cancel" in canceled) == (True, False)
    ended = client.get(f"{SQL}statements/{statement_id}/state/", **HTMX)
    assert (ended["HX-Retarget"], "Canceled</span>" in ended.content.decode()) == ("#statement", True)
    assert statement_id in client.get(f"{SQL}history/?state=CANCELED").content.decode()
    assert statement_id not in client.get(f"{SQL}history/?state=SUCCEEDED").content.decode()


def test_whose_statements_one_sees(sign: Sign) -> None:
    """An admin sees what members ran, but not their rows; nobody else sees anything of another person's."""
    own = run(sign("owner"), "SELECT 1 AS owners")
    theirs = run(sign("reader"), f"SELECT name AS readers FROM {TABLE} LIMIT 1")
    seen = {
        who: sign(who).get(f"{SQL}history/").content.decode() for who in ("owner", "reader", "nobody", "stranger", "instructor")
    }
    assert {who: (own in text, theirs in text) for who, text in seen.items()} == {
        "owner": (True, True),
        "reader": (False, True),
        "nobody": (False, False),
        "stranger": (False, False),
        "instructor": (False, False),
    }
    assert theirs not in sign("owner").get(f"{SQL}history/?mine=1").content.decode()
    opened = shown(sign("owner"), theirs)
    assert ("AS readers" in opened, "Only reader sees its result" in opened, "Ada" in opened) == (True, True, False)
    assert sign("owner").get(f"{SQL}statements/{theirs}/rows.csv").status_code == 404
    for who in ("nobody", "stranger", "instructor"):
        shown(sign(who), theirs, 404)
        assert sign(who).get(f"{SQL}statements/{theirs}/rows.csv").status_code == 404
        assert sign(who).get(f"{SQL}statements/{theirs}/state/").status_code == 404


@pytest.mark.parametrize(("who", "class_name"), [("nobody", "PERMISSION|not have"), ("stranger", "TABLE_OR_VIEW_NOT_FOUND")])
def test_rows_need_the_privilege(who: str, class_name: str, sign: Sign) -> None:
    client = sign(who)
    page = shown(client, run(client, f"SELECT name FROM {TABLE}"))
    assert re.search(class_name, page)
    assert "Ada" not in page


def test_names_for_completion(sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        who: sign(who).get(f"{SQL}names/").json()["names"] for who in ("owner", "reader", "nobody", "stranger", "instructor")
    }
    own = {who: [each["name"] for each in names if not each["name"].startswith("system.")] for who, names in found.items()}
    assert own == {
        "owner": ["main", "main.default", TABLE],
        "reader": ["main", "main.default", TABLE],
        "nobody": [],
        "stranger": ["main", "main.default"],
        "instructor": ["main", "main.default"],
    }
    table = next(each for each in found["owner"] if each["name"] == TABLE)
    assert table["columns"] == [["id", "bigint"], ["name", "string"], ["tenure", "int"], ["more", "array<int>"]]
    monkeypatch.setattr("sandbox.console.sql.names_views.NAMES_PER_PAGE", 2)
    first = sign("owner").get(f"{SQL}names/").json()
    assert first["next"] == "main.default"
    rest = sign("owner").get(f"{SQL}names/?after={first['next']}").json()
    assert ([each["name"] for each in rest["names"]], rest["next"]) == ([TABLE], None)
    assert [each["name"] for each in sign("owner").get(f"{SQL}names/?q=cust").json()["names"]] == [TABLE]


def test_statements_to_begin_with(sign: Sign) -> None:
    client = sign("owner")
    assert f"SELECT *\nFROM {TABLE}\nLIMIT 100</textarea>" in client.get(f"{SQL}?table={TABLE}").content.decode()
    assert f"{SQL}?table={TABLE}" in client.get(f"/sandbox/catalog/tables/{TABLE}/").content.decode()
    for key in ("create", "history", "function", "requests"):  # ai_query is asked on the running site
        text = (
            client.get(f"{SQL}?example={key}")
            .content.decode()
            .partition("<textarea")[2]
            .partition(">")[2]
            .partition("</textarea>")[0]
        )
        parts = [each for each in re.split(r";(?:\n|$)", unescape(text)) if each.strip()]
        pages = [shown(client, run(client, part)) for part in parts]
        assert ["Succeeded</span>" in page for page in pages] == [True] * max(1, len(parts)), key
    assert client.get(f"{SQL}?example=create").content.decode().count("main.default.example_visits") == 3


def test_nobody_without_a_sign_in(client: Client) -> None:
    for path in ("", "names/", "history/", "statements/x/", "statements/x/state/", "statements/x/rows.csv"):
        assert client.get(f"{SQL}{path}").url.startswith("/login/")
    for path in ("run/", "statements/x/cancel/"):
        assert client.post(f"{SQL}{path}").url.startswith("/login/")
